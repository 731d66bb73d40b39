//! `kubectl` as a person types it: every command is shown, and so is what it answered.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::console::{Console, Look};
use crate::tidy::repository_root;

/// How a command is run in a person's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The kubeconfig has a context with own credentials for each person.
    Context,
    /// The kubeconfig's user may impersonate.
    Impersonation,
}

/// One Kubernetes, spoken to through `kubectl`.
#[derive(Clone, Debug)]
pub struct Kubectl {
    /// The program.
    pub program: PathBuf,
    /// The kubeconfig; none for what `kubectl` finds by itself.
    pub kubeconfig: Option<PathBuf>,
    /// How people are told apart.
    pub identity: Identity,
}

impl Kubectl {
    /// Runs a command as `person` (none: the admin), shows it and its output.
    ///
    /// # Errors
    /// When it fails; the error holds what it printed.
    pub fn run(&self, console: &Console, person: Option<&str>, arguments: &[&str]) -> anyhow::Result<String> {
        console.command(&self.typed(person, arguments));
        let output = self.start(person, arguments)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        console.output(&printed);
        anyhow::ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(printed)
    }

    /// Runs a command that must be refused, shows it and the refusal, and returns the refusal.
    ///
    /// # Errors
    /// When it is accepted.
    pub fn refused(&self, console: &Console, person: Option<&str>, arguments: &[&str]) -> anyhow::Result<String> {
        console.command(&self.typed(person, arguments));
        let output = self.start(person, arguments)?;
        let refusal = String::from_utf8_lossy(&output.stderr).into_owned();
        console.output(&refusal);
        anyhow::ensure!(!output.status.success(), "this was accepted, and must not be");
        Ok(refusal)
    }

    /// Runs a command without showing it.
    pub fn quiet(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.start(None, arguments)?;
        anyhow::ensure!(
            output.status.success(),
            "{}: {}",
            self.typed(None, arguments),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// One object as JSON; none when it does not exist.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> anyhow::Result<Option<Value>> {
        let printed = self.quiet(&["-n", namespace, "get", kind, name, "--ignore-not-found", "-o", "json"])?;
        if printed.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&printed)
            .map(Some)
            .context("read what kubectl printed")
    }

    /// Waits until `look` finds something in the object.
    pub fn wait_for<T>(
        &self,
        console: &Console,
        (namespace, kind, name): (&str, &str, &str),
        timeout: Duration,
        look: impl Fn(&Value) -> anyhow::Result<Look<T>>,
    ) -> anyhow::Result<T> {
        console.wait_for(&format!("{kind} {name}"), timeout, || {
            match self.get(namespace, kind, name)? {
                Some(object) => look(&object),
                None => Ok(Look::NotYet("does not exist yet".to_owned())),
            }
        })
    }

    /// The command as a person would type it.
    pub fn typed(&self, person: Option<&str>, arguments: &[&str]) -> String {
        let mut words = vec!["kubectl".to_owned()];
        words.extend(self.person(person));
        words.extend(arguments.iter().map(|argument| quoted(argument)));
        words.join(" ")
    }

    /// The command, to be run by the caller; relative paths start at the repository's root.
    pub fn command(&self, person: Option<&str>, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.person(person)).args(arguments);
        command.stdin(Stdio::null()).current_dir(repository_root());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
    }

    fn start(&self, person: Option<&str>, arguments: &[&str]) -> anyhow::Result<Output> {
        let output = self.command(person, arguments).output();
        output.with_context(|| format!("run {}", self.program.display()))
    }

    fn person(&self, person: Option<&str>) -> Vec<String> {
        match (person, self.identity) {
            (None, _) => Vec::new(),
            (Some(person), Identity::Context) => vec![format!("--context={person}")],
            (Some(person), Identity::Impersonation) => vec![format!("--as={person}")],
        }
    }
}

fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./:,@".contains(letter);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// The text at a JSON pointer (RFC 6901), empty where there is none.
pub fn text_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The condition of this type in an object's status.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| text_at(condition, "/type") == kind)
}

/// Found when the condition is `True` for the newest generation; otherwise what it says.
pub fn is_true(object: &Value, kind: &str) -> Look<()> {
    let Some(condition) = condition(object, kind) else {
        return Look::NotYet(format!("no condition {kind} yet"));
    };
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    if text_at(condition, "/status") == "True" && (observed.is_none() || observed == generation) {
        return Look::Found(());
    }
    let (reason, message) = (text_at(condition, "/reason"), text_at(condition, "/message"));
    Look::NotYet(format!("{kind}={} {reason}: {message}", text_at(condition, "/status")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kubectl(identity: Identity) -> Kubectl {
        Kubectl {
            program: PathBuf::from("kubectl"),
            kubeconfig: None,
            identity,
        }
    }

    #[test]
    fn commands_are_shown_as_they_can_be_typed() {
        let patch = r#"[{"op":"add"}]"#;
        assert_eq!(
            kubectl(Identity::Context).typed(Some("bob"), &["patch", "cpr", "x", "-p", patch]),
            r#"kubectl --context=bob patch cpr x -p '[{"op":"add"}]'"#
        );
        assert_eq!(
            kubectl(Identity::Impersonation).typed(Some("bob"), &["get", "cpr"]),
            "kubectl --as=bob get cpr"
        );
        assert_eq!(
            kubectl(Identity::Context).typed(None, &["get", "cpr"]),
            "kubectl get cpr"
        );
    }

    #[test]
    fn a_condition_of_an_older_generation_is_not_believed() {
        let object = |observed: i64| {
            json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed,
                "conditions": [{"type": "Ready", "status": "True", "reason": "AllReady", "message": "3 of 3"}]}})
        };
        assert!(matches!(is_true(&object(2), "Ready"), Look::Found(())));
        assert!(matches!(is_true(&object(1), "Ready"), Look::NotYet(_)));
        assert!(matches!(is_true(&object(2), "Available"), Look::NotYet(_)));
    }
}
