//! A real server that speaks S3, on the loopback address.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::Process;
use crate::wait::eventually;

/// The script that builds the server once, and says where it is.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/s3-server");
const ACCESS: &str = "confman-test";
const SECRET: &str = "not-much-of-a-secret";

/// The server; gone when dropped.
pub(crate) struct S3Server {
    address: String,
    _process: Process,
    _folder: TempDir,
}

impl S3Server {
    /// With an empty bucket `backups`.
    pub(crate) async fn start() -> Self {
        let built = Command::new(SCRIPT)
            .stderr(Stdio::inherit())
            .output()
            .expect("the script runs");
        assert!(built.status.success(), "the server can be built");
        let program = String::from_utf8(built.stdout).expect("a path");
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Every folder is a bucket.
        std::fs::create_dir_all(folder.path().join("buckets/backups")).expect("the folder can be made");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = port.local_addr().expect("an address").to_string();
        drop(port);
        let mut command = Command::new(program.trim());
        command
            .args([
                "--port", &address, "--access", ACCESS, "--secret", SECRET, "posix", "--nometa",
            ])
            .arg(folder.path().join("buckets"))
            .stdout(Stdio::null());
        let process = Process::start(command, &folder.path().join("log"));
        let server = Self {
            address,
            _process: process,
            _folder: folder,
        };
        eventually("the server listens", async || {
            tokio::net::TcpStream::connect(&server.address).await.map(drop)
        })
        .await;
        server
    }

    /// What a program needs to keep backups at `url`.
    pub(crate) fn environment(&self, url: &str) -> Vec<(&'static str, String)> {
        vec![
            ("CONFMAN_BACKUP_URL", url.to_owned()),
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }
}
