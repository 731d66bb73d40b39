//! One attempt at a time: what each kind of receiver makes of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use confman_core::ids::NamespacePath;
use confman_core::webhook::{DeliveryResult, FailureCause, WebhookUrl};
use confman_node::webhooks::address::AddressRules;
use confman_node::webhooks::resolve::Names;
use confman_node::webhooks::secret::Secrets;
use confman_node::webhooks::send::{Message, Sender};
use rustls::RootCertStore;

use super::receiver::{Answer, NAME, Receiver};
use super::verify::is_signed;

const OLD_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW_KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrscChlQIMV+b5sS";
const BODY: &[u8] = br#"{"type":"confman.config.published"}"#;

fn at(address: &str) -> Names {
    several(&[address])
}

fn several(addresses: &[&str]) -> Names {
    let parsed = addresses.iter().map(|address| address.parse().expect("an address"));
    let parsed: Vec<IpAddr> = parsed.collect();
    Names::Fixed(BTreeMap::from([(NAME.to_owned(), parsed)]))
}

fn on_loopback() -> AddressRules {
    AddressRules {
        allow_loopback: true,
        ..AddressRules::default()
    }
}

fn sender(names: Names, rules: AddressRules, roots: &RootCertStore) -> Sender {
    Sender::new(names, rules, roots.clone()).expect("the settings of TLS are valid")
}

fn url(receiver: &Receiver) -> WebhookUrl {
    WebhookUrl::parse(&format!("https://{NAME}:{}/in?a=b", receiver.address.port())).expect("it is valid")
}

async fn send(sender: &Sender, url: &WebhookUrl) -> DeliveryResult {
    let secrets = Secrets::parse(&format!("namespace: {}\n{NEW_KEY}\n{OLD_KEY}", NamespacePath::root()));
    let secrets = secrets.expect("the secret is valid");
    let message = Message {
        url,
        token: None,
        id: "msg_evt_7_0_1_hook",
        timestamp_s: 1_769_860_800,
        signature: secrets.signature("msg_evt_7_0_1_hook", 1_769_860_800, BODY),
        body: BODY.to_vec(),
    };
    sender.send(message).await
}

/// The result that a receiver with `answer` makes.
async fn result_of(answer: Answer) -> DeliveryResult {
    let receiver = Receiver::tls(answer).await;
    let sender = sender(at("127.0.0.1"), on_loopback(), &receiver.roots).within(Duration::from_secs(5));
    send(&sender, &url(&receiver)).await
}

fn failed(cause: FailureCause) -> DeliveryResult {
    DeliveryResult::Failed { cause }
}

const fn refused(status: u16, retry_after_s: Option<u32>) -> DeliveryResult {
    DeliveryResult::Refused { status, retry_after_s }
}

#[tokio::test]
async fn an_attempt_is_one_signed_post_over_tls() {
    let receiver = Receiver::tls(Answer::status(200, "")).await;
    let sender = sender(at("127.0.0.1"), on_loopback(), &receiver.roots);
    let url = url(&receiver);
    assert_eq!(send(&sender, &url).await, DeliveryResult::Delivered { status: 200 });
    let got = receiver.got();
    assert_eq!((got.len(), receiver.connections()), (1, 1));
    let got = &got[0];
    assert_eq!(got.line, "POST /in?a=b HTTP/1.1");
    assert_eq!(got.header("host"), url.authority());
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.body, BODY);
    let told = (got.header("webhook-id"), got.header("webhook-timestamp"));
    assert_eq!(told, ("msg_evt_7_0_1_hook", "1769860800"));
    let header = got.header("webhook-signature");
    assert!(is_signed(OLD_KEY, header, told, BODY), "the old key still verifies");
    assert!(is_signed(NEW_KEY, header, told, BODY), "the new key verifies already");
    assert!(!is_signed(NEW_KEY, header, told, b"{}"), "another body does not");
    assert!(
        !is_signed(NEW_KEY, header, (told.0, "1769860801"), BODY),
        "nor another time"
    );
}

#[tokio::test]
async fn whatever_is_not_2xx_is_a_refusal_with_its_status() {
    assert_eq!(
        result_of(Answer::status(204, "")).await,
        DeliveryResult::Delivered { status: 204 }
    );
    for status in [400, 404, 410, 500, 503] {
        assert_eq!(result_of(Answer::status(status, "")).await, refused(status, None));
    }
    let limited = result_of(Answer::status(429, "retry-after: 120\r\n")).await;
    assert_eq!(limited, refused(429, Some(120)));
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_nobody_is_called_there() {
    let elsewhere = Receiver::plain(Answer::status(200, "")).await;
    for status in [301, 302, 303, 307, 308] {
        let lines = format!("location: http://{}/in\r\n", elsewhere.address);
        assert_eq!(result_of(Answer::status(status, &lines)).await, refused(status, None));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_the_time_of_one_attempt() {
    let receiver = Receiver::tls(Answer::Hang).await;
    let sender = sender(at("127.0.0.1"), on_loopback(), &receiver.roots).within(Duration::from_secs(1));
    let started = Instant::now();
    assert_eq!(send(&sender, &url(&receiver)).await, failed(FailureCause::TimedOut));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_its_status_is_complete_is_a_failure() {
    for answer in [
        Answer::Close,
        Answer::Bytes("HTTP/1.1 2".to_owned()),
        Answer::Bytes("HTTP/1.1 200 OK\r\ncontent-le".to_owned()),
        Answer::Bytes("SSH-2.0-OpenSSH_9.6\r\n".to_owned()),
    ] {
        let shown = format!("{answer:?}");
        assert_eq!(result_of(answer).await, failed(FailureCause::AnswerBroken), "{shown}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_its_body_counts_by_its_status() {
    let cut = |status: u16| Answer::Bytes(format!("HTTP/1.1 {status} Said\r\ncontent-length: 1000\r\n\r\nhalf"));
    assert_eq!(result_of(cut(200)).await, DeliveryResult::Delivered { status: 200 });
    assert_eq!(result_of(cut(500)).await, refused(500, None));
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let header = Answer::Endless("HTTP/1.1 200 OK\r\n".to_owned(), "x-more: and more\r\n".repeat(100));
    assert_eq!(result_of(header).await, failed(FailureCause::AnswerBroken));
    let body = Answer::Endless("HTTP/1.1 200 OK\r\n\r\n".to_owned(), "and more ".repeat(1000));
    let started = Instant::now();
    assert_eq!(result_of(body).await, DeliveryResult::Delivered { status: 200 });
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_name_that_resolves_to_an_address_inside_is_not_connected_to() {
    let receiver = Receiver::tls(Answer::status(200, "")).await;
    let inside: [&[&str]; 9] = [
        &["127.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["0.0.0.0"],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["64:ff9b::7f00:1"],
        // The first one alone would be fine.
        &["8.8.8.8", "127.0.0.1"],
    ];
    for addresses in inside {
        let sender = sender(several(addresses), AddressRules::default(), &receiver.roots);
        let result = send(&sender, &url(&receiver)).await;
        assert_eq!(result, failed(FailureCause::AddressForbidden), "{addresses:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn plain_http_is_sent_to_loopback_in_dev_alone() {
    let receiver = Receiver::plain(Answer::status(200, "")).await;
    let url = WebhookUrl::parse(&format!("http://localhost:{}/in", receiver.address.port())).expect("it is valid");
    let closed = sender(Names::system(), AddressRules::default(), &receiver.roots);
    assert_eq!(send(&closed, &url).await, failed(FailureCause::AddressForbidden));
    assert_eq!(receiver.connections(), 0);
    let open = sender(Names::system(), on_loopback(), &receiver.roots);
    assert_eq!(send(&open, &url).await, DeliveryResult::Delivered { status: 200 });
}

#[tokio::test]
async fn an_allowed_network_is_connected_to() {
    let receiver = Receiver::tls(Answer::status(200, "")).await;
    // 10.0.0.1 is in nobody's network here, or does not answer: what matters is that it is tried.
    let rules = AddressRules {
        allowed: vec!["10.0.0.0/8".parse().expect("a network")],
        ..AddressRules::default()
    };
    let sender = sender(at("10.0.0.1"), rules, &receiver.roots).within(Duration::from_secs(5));
    let result = send(&sender, &url(&receiver)).await;
    let tried = [
        FailureCause::ConnectFailed,
        FailureCause::TimedOut,
        FailureCause::TlsFailed,
    ];
    assert!(tried.map(failed).contains(&result), "{result:?}");
}

#[tokio::test]
async fn a_certificate_of_another_name_or_issuer_is_not_trusted() {
    let receiver = Receiver::tls(Answer::status(200, "")).await;
    let stranger = sender(at("127.0.0.1"), on_loopback(), &RootCertStore::empty());
    assert_eq!(send(&stranger, &url(&receiver)).await, failed(FailureCause::TlsFailed));
    let other = WebhookUrl::parse(&format!("https://localhost:{}/in", receiver.address.port())).expect("it is valid");
    let sender = sender(at("127.0.0.1"), on_loopback(), &receiver.roots);
    assert_eq!(send(&sender, &other).await, failed(FailureCause::TlsFailed));
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn nobody_there_is_said_as_it_is() {
    let receiver = Receiver::tls(Answer::status(200, "")).await;
    let (gone, roots) = (url(&receiver), receiver.roots.clone());
    drop(receiver);
    let nameless = sender(Names::Fixed(BTreeMap::new()), on_loopback(), &roots);
    assert_eq!(send(&nameless, &gone).await, failed(FailureCause::NameUnresolved));
    let sender = sender(at("127.0.0.1"), on_loopback(), &roots);
    assert_eq!(send(&sender, &gone).await, failed(FailureCause::ConnectFailed));
}

#[tokio::test]
async fn a_later_address_of_a_name_is_tried_when_the_first_does_not_answer() {
    let receiver = Receiver::tls(Answer::status(200, "")).await;
    // Nothing listens on this address of the loopback network.
    let names = several(&["127.0.0.9", "127.0.0.1"]);
    let sender = sender(names, on_loopback(), &receiver.roots);
    assert_eq!(
        send(&sender, &url(&receiver)).await,
        DeliveryResult::Delivered { status: 200 }
    );
}

#[tokio::test]
async fn a_token_stands_where_the_url_says() {
    let receiver = Receiver::plain(Answer::status(200, "")).await;
    let text = format!("http://127.0.0.1:{}/services/{{secret}}?x=1", receiver.address.port());
    let url = WebhookUrl::parse(&text).expect("it is valid");
    let message = Message {
        url: &url,
        token: Some("T0/B0/abc"),
        id: "msg_evt_7_0_1_hook",
        timestamp_s: 1_769_860_800,
        signature: String::new(),
        body: BODY.to_vec(),
    };
    let result = sender(Names::system(), on_loopback(), &receiver.roots)
        .send(message)
        .await;
    assert_eq!(result, DeliveryResult::Delivered { status: 200 });
    let got = &receiver.got()[0];
    assert_eq!(got.line, "POST /services/T0/B0/abc?x=1 HTTP/1.1");
    assert_eq!(
        got.header("webhook-signature"),
        "",
        "nothing to sign with, no signature"
    );
}
