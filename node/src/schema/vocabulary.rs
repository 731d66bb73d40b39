//! The keywords of JSON Schema 2020-12: which hold subschemas and how they apply them, which are known, which refused.

use super::survey::Applies;

/// Where a keyword holds subschemas, and what each one applies to.
pub(super) enum Applicator {
    /// The value is a schema.
    One(Applies),
    /// An array of schemas, by position.
    List(fn(usize) -> Applies),
    /// An object of schemas, by name; none where they apply only by reference.
    Map(fn(&str) -> Option<Applies>),
}

/// How `keyword` holds subschemas; none if it holds none.
pub(super) fn applicator(keyword: &str) -> Option<Applicator> {
    Some(match keyword {
        "allOf" => Applicator::List(|_| Applies::Always),
        "anyOf" | "oneOf" => Applicator::List(|_| Applies::Sometimes),
        "not" | "if" | "then" | "else" => Applicator::One(Applies::Sometimes),
        "dependentSchemas" => Applicator::Map(|_| Some(Applies::Sometimes)),
        "properties" => Applicator::Map(|name| Some(Applies::Property(name.to_owned()))),
        "patternProperties" => Applicator::Map(|pattern| Some(Applies::Matching(pattern.to_owned()))),
        "additionalProperties" => Applicator::One(Applies::Additional),
        "unevaluatedProperties" | "unevaluatedItems" => Applicator::One(Applies::Unevaluated),
        "propertyNames" => Applicator::One(Applies::Names),
        "prefixItems" => Applicator::List(Applies::Item),
        "items" | "contains" | "contentSchema" => Applicator::One(Applies::Items),
        "$defs" | "definitions" => Applicator::Map(|_| None),
        _ => return None,
    })
}

/// Keywords that hold no subschemas.
const PLAIN: [&str; 37] = [
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];

/// True for the keywords of the dialect.
pub(super) fn is_known(keyword: &str) -> bool {
    PLAIN.contains(&keyword) || applicator(keyword).is_some()
}

/// What to write instead of a keyword that is refused.
pub(super) fn replacement(keyword: &str) -> Option<&'static str> {
    Some(match keyword {
        "dependencies" => "write dependentRequired or dependentSchemas",
        "additionalItems" => "write items beside prefixItems",
        "$recursiveRef" => "write $dynamicRef",
        "$recursiveAnchor" => "write $dynamicAnchor",
        "$vocabulary" => "it is for meta-schemas",
        _ => return None,
    })
}

/// Formats that are enforced.
pub(super) const FORMATS: [&str; 17] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// Keywords beside which one key can be judged alone: they look at each key by itself, or say nothing of objects.
const OF_ONE_KEY: [&str; 24] = [
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "patternProperties",
    "properties",
    "propertyNames",
    "readOnly",
    "title",
    "type",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
];

/// True for a keyword of the namespace as a whole that may need more than one key to judge.
pub(super) fn joins_keys(keyword: &str) -> bool {
    is_known(keyword) && !OF_ONE_KEY.contains(&keyword)
}
