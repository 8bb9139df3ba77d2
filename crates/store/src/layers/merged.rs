//! Rows of several layers as one: ascending by key, and of equal keys the uppermost layer's.
//!
//! It refuses to know what the rows are. Its one invariant: a key is answered once, and not at all when the uppermost
//! layer that knows it has removed it.

use super::Slice;
use crate::contract::StoreError;
use crate::tables::Pairs;
use std::iter::Peekable;

/// The rows of one layer, ascending; none for a row that is removed.
type Rows<'a> = Box<dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + 'a>;
pub(super) type Layer<'a> = Peekable<Rows<'a>>;

/// The rows of several layers, ascending, the uppermost layer's word on each key.
pub(crate) struct Merged<'a> {
    pub(super) active: Layer<'a>,
    pub(super) sealed: Layer<'a>,
    pub(super) tables: Peekable<Pairs<'a>>,
}

pub(super) fn nothing<'a>() -> Layer<'a> {
    let empty: Rows<'a> = Box::new(std::iter::empty());
    empty.peekable()
}

pub(super) fn lift<'a, K: AsRef<[u8]> + 'a>(
    range: impl Iterator<Item = (&'a K, &'a Option<Slice>)> + 'a,
) -> Layer<'a> {
    let pairs: Rows<'a> = Box::new(range.map(|(key, row)| (key.as_ref(), row.as_ref().map(Slice::as_slice))));
    pairs.peekable()
}

impl Iterator for Merged<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(Err(_)) = self.tables.peek() {
                return self.tables.next();
            }
            let table_key =
                self.tables.peek().and_then(|pair| pair.as_ref().ok()).map(|pair| pair.0.as_slice());
            let active_key = self.active.peek().map(|pair| pair.0);
            let sealed_key = self.sealed.peek().map(|pair| pair.0);
            let least = [active_key, sealed_key, table_key].into_iter().flatten().min()?;
            let (in_active, in_sealed, in_tables) =
                (active_key == Some(least), sealed_key == Some(least), table_key == Some(least));
            let active = if in_active { self.active.next() } else { None };
            let sealed = if in_sealed { self.sealed.next() } else { None };
            let table = if in_tables { self.tables.next() } else { None };
            match active.or(sealed) {
                Some((key, Some(row))) => return Some(Ok((key.to_vec(), row.to_vec()))),
                Some((_, None)) => {}
                None => return table,
            }
        }
    }
}
