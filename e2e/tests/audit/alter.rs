//! Every way to alter an export that a verifier must see; both verifiers are tried with them.

use confman_core::digest::Digest;
use serde_json::Value;

/// An altered export and what was done to it.
pub(crate) struct Altered {
    pub(crate) what: String,
    pub(crate) lines: Vec<String>,
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).expect("a line is JSON")
}

fn is_event(line: &str) -> bool {
    parse(line).get("action").is_some()
}

/// `event` with the hash that its content has.
pub(crate) fn with_its_hash(mut event: Value) -> Value {
    let members = event.as_object_mut().expect("an event is an object");
    members.remove("hash");
    let hash = Digest::of_canonical(&event).to_string();
    event["hash"] = hash.into();
    event
}

/// The lines with hashes made anew from the first on, as someone would who can write the whole export.
pub(crate) fn rechained(lines: &[String]) -> Vec<String> {
    let mut previous = Digest::ZERO.to_string();
    let mut count = 0;
    let relink = |line: &String| {
        let mut line = parse(line);
        if line.get("action").is_some() {
            line["previousHash"] = previous.clone().into();
            line = with_its_hash(line);
            line["hash"].as_str().expect("a hash").clone_into(&mut previous);
            count += 1;
        } else if line.get("end").is_some() {
            line["end"]["hash"] = previous.clone().into();
            line["end"]["count"] = count.into();
        }
        line.to_string()
    };
    lines.iter().map(relink).collect()
}

/// The value with one thing in it altered or taken out, in every way.
fn variants(value: &Value, at: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let mut without = members.clone();
                without.remove(name);
                found.push((format!("{at}.{name} taken out"), without.into()));
                for (what, variant) in variants(member, &format!("{at}.{name}")) {
                    let mut altered = members.clone();
                    altered.insert(name.clone(), variant);
                    found.push((what, altered.into()));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let mut without = items.clone();
                without.remove(index);
                found.push((format!("{at}[{index}] taken out"), without.into()));
                for (what, variant) in variants(item, &format!("{at}[{index}]")) {
                    let mut altered = items.clone();
                    altered[index] = variant;
                    found.push((what, altered.into()));
                }
            }
        }
        Value::String(text) => {
            let last = if text.ends_with('0') { '1' } else { '0' };
            let flipped = text
                .chars()
                .take(text.chars().count() - 1)
                .chain([last])
                .collect::<String>();
            found.push((format!("{at} longer"), format!("{text}0").into()));
            found.push((format!("{at} ends otherwise"), flipped.into()));
        }
        Value::Number(number) => {
            let next = number.as_u64().expect("only whole numbers occur") + 1;
            found.push((format!("{at} one more"), next.into()));
        }
        Value::Bool(truth) => found.push((format!("{at} turned round"), (!truth).into())),
        Value::Null => {}
    }
    found
}

/// Events with one field altered, and the same with a hash that holds again.
pub(crate) fn edits(lines: &[String]) -> Vec<Altered> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(1) {
        let replaced = |what: String, line: &Value| {
            let mut lines = lines.to_vec();
            lines[at] = line.to_string();
            let what = format!("line {}: {what}", at + 1);
            Altered { what, lines }
        };
        for (what, edited) in variants(&parse(line), "") {
            if is_event(line) && !what.starts_with(".hash") {
                found.push(replaced(
                    format!("{what}, hash made anew"),
                    &with_its_hash(edited.clone()),
                ));
            }
            found.push(replaced(what, &edited));
        }
    }
    found
}

/// Lines dropped, doubled, swapped and put elsewhere.
pub(crate) fn moves(lines: &[String]) -> Vec<Altered> {
    let mut found = Vec::new();
    for at in 1..lines.len() {
        let number = at + 1;
        let mut altered = |what: String, change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = lines.to_vec();
            change(&mut lines);
            found.push(Altered { what, lines });
        };
        if at + 1 < lines.len() {
            altered(format!("line {number} dropped"), &|lines| {
                lines.remove(at);
            });
            altered(format!("line {number} and the next swapped"), &|lines| {
                lines.swap(at, at + 1);
            });
            altered(format!("line {number} moved before the end"), &|lines| {
                let moved = lines.remove(at);
                lines.insert(lines.len() - 2, moved);
            });
        }
        altered(format!("line {number} doubled"), &|lines| {
            lines.insert(at, lines[at].clone());
        });
        altered(format!("line 1 again before line {number}"), &|lines| {
            lines.insert(at, lines[0].clone());
        });
        altered(
            format!("line {number} cut in the middle, and nothing behind it"),
            &|lines| {
                let half = lines[at].len() / 2;
                lines[at].truncate(half);
                lines.truncate(at + 1);
            },
        );
    }
    // Moving the last event before the end leaves it where it was.
    found.retain(|altered| altered.lines != lines);
    found
}
