//! What a person sees while the story runs: steps, real commands, their output, progress where it waits.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Pause between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// Without a terminal, an unchanged wait is mentioned this often.
const MENTION_AGAIN: Duration = Duration::from_secs(20);
/// Longest line of a command's output that is shown whole.
const WIDEST: usize = 160;
const SPINNER: [char; 4] = ['|', '/', '-', '\\'];

/// Writes to standard output; colours and a moving line only on a terminal.
#[derive(Debug)]
pub struct Console {
    terminal: bool,
    colour: bool,
    started: Instant,
}

impl Default for Console {
    fn default() -> Self {
        let terminal = std::io::stdout().is_terminal() && std::env::var_os("CI").is_none();
        Self {
            terminal,
            colour: terminal && std::env::var_os("NO_COLOR").is_none(),
            started: Instant::now(),
        }
    }
}

impl Console {
    /// A heading above the steps.
    pub fn title(&self, text: &str) {
        line(&format!("\n{}", self.paint("1", text)));
    }

    /// Step `number` of `total` begins.
    pub fn step(&self, number: usize, total: usize, title: &str) {
        let elapsed = seconds(self.started.elapsed());
        line(&format!(
            "\n{} {}  ({elapsed})",
            self.paint("1;36", &format!("[{number}/{total}]")),
            self.paint("1", title)
        ));
    }

    /// Why the step matters, in one sentence.
    pub fn explain(&self, text: &str) {
        line(&format!("  {}", self.paint("2", text)));
    }

    /// A command that is about to run, as one would type it.
    pub fn command(&self, text: &str) {
        line(&format!("  {} {text}", self.paint("1", "$")));
    }

    /// What a command printed.
    pub fn output(&self, text: &str) {
        for shown in text.trim_end().lines() {
            let cut: String = shown.chars().take(WIDEST).collect();
            let more = if cut.len() < shown.len() { " …" } else { "" };
            line(&format!("    {cut}{more}"));
        }
    }

    /// The step's result.
    pub fn done(&self, text: &str, took: Duration) {
        line(&format!("  {} {text}  ({})", self.paint("1;32", "ok"), seconds(took)));
    }

    /// The step failed.
    pub fn failed(&self, text: &str) {
        line(&format!("  {} {text}", self.paint("1;31", "FAILED")));
    }

    /// Plain text under the step.
    pub fn note(&self, text: &str) {
        for shown in text.lines() {
            line(&format!("  {shown}"));
        }
    }

    /// Looks again and again until `look` finds something; shows what it sees meanwhile.
    ///
    /// # Errors
    /// When `look` fails, or found nothing within `timeout`: then with what was seen last.
    pub fn wait_for<T>(
        &self,
        what: &str,
        timeout: Duration,
        mut look: impl FnMut() -> anyhow::Result<Look<T>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        let mut mentioned = started;
        let mut seen = String::new();
        loop {
            let found = look();
            if self.terminal {
                text("\r\u{1b}[K");
            }
            let now = match found? {
                Look::Found(found) => return Ok(found),
                Look::NotYet(now) => now,
            };
            let elapsed = started.elapsed();
            anyhow::ensure!(
                elapsed < timeout,
                "{what}: not within {}; last seen: {now}",
                seconds(timeout)
            );
            if self.terminal {
                let turn = usize::try_from(elapsed.as_millis() / 300).unwrap_or(0);
                text(&format!(
                    "  {} {what}: {now} ({})",
                    SPINNER[turn % SPINNER.len()],
                    seconds(elapsed)
                ));
            } else if now != seen || mentioned.elapsed() >= MENTION_AGAIN {
                line(&format!("    waiting for {what}: {now} ({})", seconds(elapsed)));
                mentioned = Instant::now();
            }
            seen = now;
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// What one look at a condition saw.
#[derive(Debug)]
pub enum Look<T> {
    /// The condition holds.
    Found(T),
    /// It does not hold yet; how far it is.
    NotYet(String),
}

impl<T> Look<T> {
    /// With what was found changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Look<U> {
        match self {
            Self::Found(found) => Look::Found(change(found)),
            Self::NotYet(how_far) => Look::NotYet(how_far),
        }
    }
}

/// `7.3 s` or `2 min 5 s`.
pub fn seconds(duration: Duration) -> String {
    if duration < Duration::from_mins(1) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

fn line(shown: &str) {
    text(&format!("{shown}\n"));
}

#[expect(clippy::print_stdout, reason = "showing the story is what the program is for")]
fn text(shown: &str) {
    print!("{shown}");
    // A closed pipe on the other end is no reason to stop the story.
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Console {
        Console {
            terminal: false,
            colour: false,
            started: Instant::now(),
        }
    }

    #[test]
    fn a_wait_ends_with_what_was_found() -> anyhow::Result<()> {
        let mut looks = 0;
        let found = quiet().wait_for("three", Duration::from_mins(1), || {
            looks += 1;
            Ok(if looks < 3 {
                Look::NotYet(format!("{looks}"))
            } else {
                Look::Found(looks)
            })
        })?;
        assert_eq!(found, 3);
        Ok(())
    }

    #[test]
    fn a_wait_that_is_in_vain_says_what_it_saw_last() {
        let result = quiet().wait_for("pods", Duration::ZERO, || {
            Ok(Look::<()>::NotYet("1 of 3 ready".to_owned()))
        });
        let error = result.expect_err("nothing was found").to_string();
        assert_eq!(error, "pods: not within 0.0 s; last seen: 1 of 3 ready");
    }
}
