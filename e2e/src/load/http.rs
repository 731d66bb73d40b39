//! The least HTTP/1.1 client that keeps a connection alive: the driver must not use the time that the server needs.

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::drive::Client;

/// One kept connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    head: String,
    body: Vec<u8>,
}

impl Connection {
    /// Connects to `host:port`.
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true).context("switch Nagle's algorithm off")?;
        Ok(Self {
            stream: BufReader::new(stream),
            head: String::new(),
            body: Vec::new(),
        })
    }

    /// Sends a whole request; the answer's status and body.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        let status = self.ask(request).await?;
        anyhow::ensure!(
            self.header("transfer-encoding").is_none(),
            "a chunked answer was not expected"
        );
        let length = self.header("content-length").map_or(Ok(0), str::parse);
        self.body.resize(length.context("content-length is no number")?, 0);
        self.stream.read_exact(&mut self.body).await.context("read the body")?;
        Ok((status, &self.body))
    }

    /// Sends a whole request; the answer's status. The body is still to be read.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.get_mut().write_all(request).await.context("send")?;
        self.head.clear();
        loop {
            let begin = self.head.len();
            let read = self.stream.read_line(&mut self.head).await.context("read the head")?;
            anyhow::ensure!(read > 0, "the connection was closed");
            if self.head[begin..].trim_end().is_empty() {
                break;
            }
        }
        let status = self.head.split(' ').nth(1).and_then(|code| code.parse().ok());
        status.context("no status line")
    }

    /// A header of the last answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    /// The next line of a body that ends with the connection; none at its end.
    pub async fn body_line(&mut self) -> anyhow::Result<Option<String>> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.context("read the body")?;
        Ok((read > 0).then_some(line))
    }
}

/// What a client of the load does over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A direct write.
    Put,
    /// A read of what the node has applied.
    GetStale,
    /// A read that a quorum vouches for.
    GetLinearizable,
}

/// A Confman client of the load.
#[derive(Debug)]
pub struct ConfmanClient {
    connection: Connection,
    operation: Operation,
    api_key: String,
    keys: u64,
    value_bytes: usize,
}

impl ConfmanClient {
    /// Connects to the public port of a node.
    pub async fn open(address: &str, api_key: &str, operation: Operation, sizes: (u64, usize)) -> anyhow::Result<Self> {
        Ok(Self {
            connection: Connection::open(address).await?,
            operation,
            api_key: api_key.to_owned(),
            keys: sizes.0,
            value_bytes: sizes.1,
        })
    }

    fn request(&self, sequence: u64) -> String {
        let key = super::key(sequence, self.keys);
        let (method, query, body) = match self.operation {
            Operation::Put => ("PUT", "", super::value(sequence, self.value_bytes)),
            Operation::GetStale => ("GET", "", String::new()),
            Operation::GetLinearizable => ("GET", "?consistency=linearizable", String::new()),
        };
        let headers = if body.is_empty() {
            "accept: text/plain\r\n".to_owned()
        } else {
            format!("content-type: text/plain\r\ncontent-length: {}\r\n", body.len())
        };
        let api_key = &self.api_key;
        format!(
            "{method} /api/v1/config/{key}{query} HTTP/1.1\r\nhost: confman\r\nx-api-key: {api_key}\r\n{headers}\r\n{body}"
        )
    }
}

impl Client for ConfmanClient {
    async fn call(&mut self, sequence: u64) -> anyhow::Result<()> {
        let request = self.request(sequence);
        let (status, body) = self.connection.send(request.as_bytes()).await?;
        anyhow::ensure!(
            (200..300).contains(&status),
            "status {status}: {}",
            String::from_utf8_lossy(body)
        );
        Ok(())
    }
}
