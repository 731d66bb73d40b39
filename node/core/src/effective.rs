//! The effective view of a namespace: its own keys over those of the namespaces it inherits from.
//!
//! The nearest value wins, except that a key which a namespace calls final wins over everything below it. Namespaces are
//! given nearest first, as [`crate::namespace::inherited`] gives them. Nothing is loaded as a whole: the keys of every
//! namespace come in order, are merged in order, and a page ends wherever its reader stops.

use std::iter::Peekable;

use crate::ids::ConfigKey;

/// One live key of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnKey {
    /// The key.
    pub key: ConfigKey,
    /// Number of its live version.
    pub version: u64,
    /// Whether no namespace below may have it.
    pub is_final: bool,
}

/// One key of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveKey {
    /// The namespace whose value is seen: 0 for the one that is looked at, 1 for the next one above, and so on.
    pub layer: usize,
    /// The key and its version there.
    pub own: OwnKey,
}

/// Which value of one key is seen, of the namespaces that have it, nearest first; none if none has it.
pub fn seen(found: Vec<EffectiveKey>) -> Option<EffectiveKey> {
    let highest_final = found.iter().rposition(|candidate| candidate.own.is_final);
    found.into_iter().nth(highest_final.unwrap_or(0))
}

/// The keys of the view in order, merged from the keys of each namespace in order.
pub struct EffectiveKeys<I: Iterator> {
    layers: Vec<Peekable<I>>,
}

impl<I, E> EffectiveKeys<I>
where
    I: Iterator<Item = Result<OwnKey, E>>,
{
    /// The view over `layers`, nearest first, each ordered by key. For the next page, give layers that begin after the last
    /// key of the page before.
    pub fn over(layers: impl IntoIterator<Item = I>) -> Self {
        Self {
            layers: layers.into_iter().map(Iterator::peekable).collect(),
        }
    }

    /// The first key that is left in any layer, or why a layer cannot be read.
    fn least(&mut self) -> Result<Option<ConfigKey>, E> {
        let mut least: Option<&ConfigKey> = None;
        for layer in &mut self.layers {
            if let Some(Err(error)) = layer.next_if(Result::is_err) {
                return Err(error);
            }
            if let Some(Ok(own)) = layer.peek()
                && least.is_none_or(|least| own.key < *least)
            {
                least = Some(&own.key);
            }
        }
        Ok(least.cloned())
    }
}

impl<I, E> Iterator for EffectiveKeys<I>
where
    I: Iterator<Item = Result<OwnKey, E>>,
{
    type Item = Result<EffectiveKey, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let least = match self.least() {
            Ok(least) => least?,
            Err(error) => return Some(Err(error)),
        };
        let is_least = |own: &Result<OwnKey, E>| own.as_ref().is_ok_and(|own| own.key == least);
        let layers = self.layers.iter_mut().enumerate();
        let found = layers.filter_map(|(layer, keys)| {
            let own = keys.next_if(is_least)?.ok()?;
            Some(EffectiveKey { layer, own })
        });
        seen(found.collect()).map(Ok)
    }
}
