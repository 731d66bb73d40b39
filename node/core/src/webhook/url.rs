//! The URL of a webhook target: strict, so that every reader of it sees the same host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::WebhookError;
use crate::ids::text_conversions;

/// `https://host[:port][/path][?query]` in ASCII, lower-case host, without user, password or fragment. Plain `http` is
/// for loopback only, which a node connects to in `dev` alone. Ports: 443, or 1024 and above.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(String);

/// The host of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookHost<'a> {
    /// A name, to be resolved.
    Name(&'a str),
    /// An address.
    Address(IpAddr),
}

struct Parts<'a> {
    is_https: bool,
    host: WebhookHost<'a>,
    port: Option<u16>,
    path_and_query: &'a str,
}

impl WebhookUrl {
    /// Longest URL in bytes.
    pub const MAX_BYTES: usize = 2048;
    /// Stands for the token in the secret file; once, in the path or query.
    pub const SECRET: &'static str = "{secret}";

    /// Parses a URL.
    ///
    /// # Errors
    /// [`WebhookError::Url`], which never repeats the URL.
    pub fn parse(text: &str) -> Result<Self, WebhookError> {
        parts(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|detail| WebhookError::Url { detail })
    }

    /// The URL as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `https`, false for plain `http` to loopback.
    ///
    /// # Panics
    /// Never: it was parsed.
    pub fn is_https(&self) -> bool {
        self.parts().is_https
    }

    /// Its host.
    ///
    /// # Panics
    /// Never: it was parsed.
    pub fn host(&self) -> WebhookHost<'_> {
        self.parts().host
    }

    /// Its port; 443 where none is given.
    ///
    /// # Panics
    /// Never: it was parsed.
    pub fn port(&self) -> u16 {
        self.parts().port.unwrap_or(443)
    }

    /// Host and port as in the URL, for the `Host` header.
    pub fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or_default()
    }

    /// Path and query, at least `/`, perhaps with [`WebhookUrl::SECRET`] in it.
    ///
    /// # Panics
    /// Never: it was parsed.
    pub fn path_and_query(&self) -> &str {
        match self.parts().path_and_query {
            "" => "/",
            given => given,
        }
    }

    /// True if [`WebhookUrl::SECRET`] is in it.
    pub fn has_secret(&self) -> bool {
        self.0.contains(Self::SECRET)
    }

    fn parts(&self) -> Parts<'_> {
        parts(&self.0).expect("a webhook url was parsed when it was made")
    }
}

text_conversions!(WebhookError: WebhookUrl);

fn parts(text: &str) -> Result<Parts<'_>, &'static str> {
    if text.len() > WebhookUrl::MAX_BYTES {
        return Err("it has more than 2048 bytes");
    }
    if text.contains('#') {
        return Err("it has a fragment");
    }
    let (is_https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err("it must begin with https://"),
    };
    let (authority, path_and_query) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("it has a user or a password; use the secret file");
    }
    let (host, port) = host_and_port(authority)?;
    match (is_https, port) {
        (false, _) if !is_loopback(host) => return Err("plain http is for loopback in dev only; use https"),
        (false, None | Some(443)) => return Err("plain http needs a port of 1024 or above"),
        (true | false, _) => {}
    }
    check_path_and_query(path_and_query)?;
    Ok(Parts {
        is_https,
        host,
        port,
        path_and_query,
    })
}

fn host_and_port(authority: &str) -> Result<(WebhookHost<'_>, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("the host is not an IPv6 address")?;
        let address: Ipv6Addr = address.parse().map_err(|_| "the host is not an IPv6 address")?;
        (WebhookHost::Address(IpAddr::V6(address)), port)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (named_host(host)?, port)
    };
    Ok((host, parse_port(port)?))
}

/// A host that only looks like an address (`2130706433`, `0x7f.1`, `127.1`, `010.0.0.1`) is read differently by
/// different programs, so it is refused.
fn named_host(text: &str) -> Result<WebhookHost<'_>, &'static str> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(WebhookHost::Address(IpAddr::V4(address)));
    }
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() > 253 || !text.split('.').all(is_label) {
        return Err("the host is not a lower-case DNS name or an IP address");
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        return Err("the host is neither a name nor an IPv4 address of four plain decimals");
    }
    Ok(WebhookHost::Name(text))
}

fn parse_port(text: &str) -> Result<Option<u16>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.strip_prefix(':').ok_or("something follows the host")?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    match digits.parse::<u16>() {
        Ok(port) if is_plain && (port == 443 || port >= 1024) => Ok(Some(port)),
        Ok(_) | Err(_) => Err("the port must be 443, or 1024 to 65535"),
    }
}

fn is_loopback(host: WebhookHost<'_>) -> bool {
    match host {
        WebhookHost::Name(name) => name == "localhost",
        WebhookHost::Address(address) => address.is_loopback(),
    }
}

/// RFC 3986 path and query, without the dot segments that servers resolve differently.
fn check_path_and_query(text: &str) -> Result<(), &'static str> {
    let without_secret = text.replacen(WebhookUrl::SECRET, "", 1);
    if without_secret.contains(['{', '}']) {
        return Err("only {secret} may stand in braces, and only once");
    }
    let mut rest = without_secret.bytes();
    while let Some(byte) = rest.next() {
        let is_fine = match byte {
            b'%' => {
                rest.next().is_some_and(|digit| digit.is_ascii_hexdigit())
                    && rest.next().is_some_and(|digit| digit.is_ascii_hexdigit())
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&byte),
        };
        if !is_fine {
            return Err("its path or query has a character that must be percent-encoded");
        }
    }
    if text.starts_with('?') {
        return Err("a query needs a path before it, at least /");
    }
    let path = text.split('?').next().unwrap_or_default();
    let plain = path.to_ascii_lowercase().replace("%2e", ".");
    if plain.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("its path has a dot segment");
    }
    Ok(())
}
