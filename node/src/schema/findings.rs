//! From the errors of the validator to violations: comparable, bounded, and without the values.

use std::collections::BTreeMap;

use confman_core::digest::Digest;
use confman_core::schema::{KeyRules, MAX_VIOLATION_TEXT_BYTES, Violation};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};

use super::compile::CompiledSchema;
use super::confman;
use super::measure::Size;
use super::object::NamespaceObject;
use super::survey::join;

/// Most looks (places times keywords) of one validation: about a second.
const MAX_LOOKS: u64 = 50_000_000;
/// Most looks of a listing of errors; bounds its memory.
const MAX_LISTED_LOOKS: u64 = 300_000;
/// Most bytes of values that a listing of errors may copy.
const MAX_COPIED_BYTES: u64 = 64 * 1024 * 1024;
/// Keyword of the violation that says that a value is too large for the schema.
pub(super) const TOO_LARGE: &str = "too-large-for-schema";

/// One violation of a state, and what makes it the same as another one.
pub(super) struct Finding {
    /// Equal for the same violation before and after a change.
    pub(super) identity: Digest,
    pub(super) violation: Violation,
}

/// What one schema finds in an object.
pub(super) enum Findings {
    /// No violation.
    None,
    /// Each violation.
    Listed(Vec<Finding>),
    /// There is one at least, or it would take too long to know; this says so.
    Unlisted(Violation),
}

/// Judges `object`; `rules` are those of all schemas together.
pub(super) fn find(schema: &CompiledSchema, object: &NamespaceObject, rules: &dyn Fn(&str) -> KeyRules) -> Findings {
    let (looks, copied) = work(schema, object);
    if looks > MAX_LOOKS {
        return Findings::Unlisted(too_large(
            "the values are too large and too many for this schema to judge",
        ));
    }
    if schema.validator().is_valid(object.json()) {
        return Findings::None;
    }
    if looks > MAX_LISTED_LOOKS || copied > MAX_COPIED_BYTES {
        return Findings::Unlisted(too_large(
            "the schema is broken, and the values are too large to list where",
        ));
    }
    let errors = schema.validator().iter_errors(object.json());
    let found: Vec<_> = errors
        .flat_map(|error| translate(schema, object, rules, &error))
        .collect();
    if found.is_empty() {
        Findings::None
    } else {
        Findings::Listed(found)
    }
}

fn too_large(message: &str) -> Violation {
    Violation {
        pointer: String::new(),
        keyword: TOO_LARGE.to_owned(),
        message: message.to_owned(),
        choices: BTreeMap::new(),
    }
}

/// Looks, and bytes that a listing would copy or digest: each error may do so with the value it is about. Only
/// alternatives do so with the namespace as a whole.
fn work(schema: &CompiledSchema, object: &NamespaceObject) -> (u64, u64) {
    let cost = schema.cost();
    let (mut looks, mut copied, mut bytes) = (cost.of_namespace(), 0_u64, 0_u64);
    for (key, value, _) in object.entries() {
        let (size, per_place) = (Size::of(value), cost.of_key(key));
        looks = looks.saturating_add(size.places.saturating_mul(per_place));
        copied = copied.saturating_add(size.copies.saturating_mul(per_place));
        bytes += size.bytes;
    }
    if schema.has_alternatives() {
        copied = copied.saturating_add(bytes.saturating_mul(cost.of_namespace()));
    }
    (looks, copied)
}

/// The findings of one error; several where it names several properties, none where a reference stands for the value.
fn translate(
    schema: &CompiledSchema,
    object: &NamespaceObject,
    rules: &dyn Fn(&str) -> KeyRules,
    error: &ValidationError<'_>,
) -> Vec<Finding> {
    let pointer = error.instance_path().as_str();
    let key = key_of(pointer);
    let rules = key.as_deref().map(rules).unwrap_or_default();
    if let Some((_, form)) = key.as_deref().and_then(|key| object.get(key)) {
        let is_about_shape = !matches!(error.kind(), ValidationErrorKind::FalseSchema);
        if is_about_shape && form.stands_in_under(&rules) {
            return Vec::new();
        }
    }
    let keyword = keyword(error);
    let value = is_about_value(error).then(|| Digest::of_canonical(error.instance().as_ref()));
    let faults = match unexpected(object, error) {
        Some(names) => {
            let fault = |name: &String| {
                (
                    join(pointer, name),
                    "is not a property that the schema knows".to_owned(),
                )
            };
            names.iter().map(fault).collect()
        }
        None => vec![(pointer.to_owned(), message(error))],
    };
    let finding = |(pointer, message): (String, String)| {
        let rule = error.schema_path().as_str();
        let identity = Digest::of_canonical(&(&pointer, rule, &message, value));
        let violation = violation(&pointer, &keyword, message, choices(schema, error), &rules);
        Finding { identity, violation }
    };
    faults.into_iter().map(finding).collect()
}

/// The properties that an error names as unexpected. Where a schema allows none at all, the validator names none.
fn unexpected(object: &NamespaceObject, error: &ValidationError<'_>) -> Option<Vec<String>> {
    if let ValidationErrorKind::AdditionalProperties { unexpected }
    | ValidationErrorKind::UnevaluatedProperties { unexpected } = error.kind()
    {
        return Some(unexpected.clone());
    }
    if !allows_no_property(error) {
        return None;
    }
    let members = object.json().pointer(error.instance_path().as_str())?.as_object()?;
    Some(members.keys().cloned().collect())
}

/// True for `additionalProperties: false` beside no other keyword for properties.
fn allows_no_property(error: &ValidationError<'_>) -> bool {
    let place = error.schema_path().as_str().strip_suffix("/additionalProperties");
    // Not a property of that name whose schema is false.
    let is_property = place.is_some_and(|place| place.ends_with("/properties"))
        && error.instance_path().as_str().ends_with("/additionalProperties");
    matches!(error.kind(), ValidationErrorKind::FalseSchema) && place.is_some() && !is_property
}

/// The violation as people see it: cut to its limits, and without what would tell a hidden value.
fn violation(
    pointer: &str,
    keyword: &str,
    message: String,
    choices: BTreeMap<String, String>,
    rules: &KeyRules,
) -> Violation {
    let (pointer, message) = match pointer.get(1..).and_then(|rest| rest.split('/').next()) {
        Some(key) if rules.hidden() => (
            format!("/{key}"),
            format!("does not satisfy {keyword}; the value is hidden"),
        ),
        Some(_) | None => (pointer.to_owned(), message),
    };
    Violation {
        pointer: cut(pointer),
        keyword: keyword.to_owned(),
        message: cut(message),
        choices,
    }
}

/// At most [`MAX_VIOLATION_TEXT_BYTES`], on a whole character.
fn cut(mut text: String) -> String {
    if text.len() > MAX_VIOLATION_TEXT_BYTES {
        let end = '…';
        text.truncate(text.floor_char_boundary(MAX_VIOLATION_TEXT_BYTES - end.len_utf8()));
        text.push(end);
    }
    text
}

/// First token of a pointer, unescaped; none for the namespace.
fn key_of(pointer: &str) -> Option<String> {
    let token = pointer.strip_prefix('/')?.split('/').next()?;
    Some(token.replace("~1", "/").replace("~0", "~"))
}

/// Whether another value at the same place would be another violation. Not for the namespace as a whole, which changes
/// with every change, and not where the fault is named exactly: a property too many or one that is missing.
fn is_about_value(error: &ValidationError<'_>) -> bool {
    let names_fault = matches!(
        error.kind(),
        ValidationErrorKind::Required { .. }
            | ValidationErrorKind::AdditionalProperties { .. }
            | ValidationErrorKind::UnevaluatedProperties { .. }
            | ValidationErrorKind::PropertyNames { .. }
            | ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::MaxProperties { .. }
            | ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MaxItems { .. }
    );
    !error.instance_path().as_str().is_empty() && !names_fault
}

fn keyword(error: &ValidationError<'_>) -> String {
    if allows_no_property(error) {
        return "additionalProperties".to_owned();
    }
    if matches!(error.kind(), ValidationErrorKind::FalseSchema) {
        return "false".to_owned();
    }
    // Some keywords share a kind of error; the place in the schema names the right one.
    let last = error.schema_path().as_str().rsplit('/').next();
    let last = last.filter(|last| ["dependentRequired", "minContains", "maxContains"].contains(last));
    last.unwrap_or(error.kind().keyword()).to_owned()
}

fn choices(schema: &CompiledSchema, error: &ValidationError<'_>) -> BTreeMap<String, String> {
    if error.kind().keyword() != confman::ALLOWED_VALUES {
        return BTreeMap::new();
    }
    let choices = schema.document().pointer(error.schema_path().as_str());
    choices.and_then(confman::read_choices).unwrap_or_default()
}

/// What is wrong, in words of the schema only: never with the value.
fn message(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Required { property } => format!("{property} is required"),
        ValidationErrorKind::Type { kind } => match kind {
            TypeKind::Single(wanted) => format!("is not of type {wanted}"),
            TypeKind::Multiple(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(|wanted| wanted.to_string()).collect();
                format!("is not of type {}", wanted.join(" or "))
            }
        },
        ValidationErrorKind::Pattern { pattern } => format!("does not match {pattern:?}"),
        ValidationErrorKind::Format { format } => format!("is not a valid {format}"),
        ValidationErrorKind::Enum { options } => format!("is not one of {options}"),
        ValidationErrorKind::Constant { expected_value } => format!("is not {expected_value}"),
        ValidationErrorKind::Minimum { limit } => format!("is less than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("is greater than {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("is not greater than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("is not less than {limit}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("is not a multiple of {multiple_of}"),
        ValidationErrorKind::MinLength { limit } => format!("has fewer than {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("has more than {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("has fewer than {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("has more than {limit} items"),
        ValidationErrorKind::MinProperties { limit } => format!("has fewer than {limit} properties"),
        ValidationErrorKind::MaxProperties { limit } => format!("has more than {limit} properties"),
        ValidationErrorKind::UniqueItems => "has an item twice".to_owned(),
        ValidationErrorKind::Contains => "does not contain as many of the items as it must".to_owned(),
        ValidationErrorKind::AnyOf { .. } => "satisfies none of the alternatives of anyOf".to_owned(),
        ValidationErrorKind::OneOfNotValid { .. } => "satisfies none of the alternatives of oneOf".to_owned(),
        ValidationErrorKind::OneOfMultipleValid { .. } => "satisfies several alternatives of oneOf".to_owned(),
        ValidationErrorKind::Not { .. } => "satisfies what the schema excludes with not".to_owned(),
        ValidationErrorKind::FalseSchema => "is not allowed here".to_owned(),
        ValidationErrorKind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            format!("the name {name:?} {}", message(error))
        }
        ValidationErrorKind::Custom { message, .. } => message.clone(),
        kind @ (ValidationErrorKind::AdditionalItems { .. }
        | ValidationErrorKind::AdditionalProperties { .. }
        | ValidationErrorKind::BacktrackLimitExceeded { .. }
        | ValidationErrorKind::RegexEngineFailure { .. }
        | ValidationErrorKind::ContentEncoding { .. }
        | ValidationErrorKind::ContentMediaType { .. }
        | ValidationErrorKind::FromUtf8 { .. }
        | ValidationErrorKind::UnevaluatedItems { .. }
        | ValidationErrorKind::UnevaluatedProperties { .. }
        | ValidationErrorKind::Referencing(_)) => format!("does not satisfy {}", kind.keyword()),
    }
}
