//! Structures as `NAME=VALUE`, with characters only that neither a kernel's command line, nor Xen's, nor
//! GRUB's file takes for something else. A field is left out that is as in the default.

use anyhow::{anyhow, Result};
use serde::de::DeserializeOwned;
use serde::Serialize;

/// What the encoding for URLs hides, and nobody here needs to hide from anybody.
const HARMLESS: [(&str, &str); 3] = [("%3D", "="), ("%3A", ":"), ("%2F", "/")];

/// The fields that are not as in the default.
pub(crate) fn fields<T: Serialize + Default>(value: &T) -> Vec<String> {
    let (all, default) = (pairs(value), pairs(&T::default()));
    all.into_iter().filter(|it| !default.contains(it)).collect()
}

fn pairs(value: &impl Serialize) -> Vec<String> {
    let text = serde_urlencoded::to_string(value).expect("a structure of plain values");
    let readable = |pair: &str| {
        let start = pair.to_owned();
        let show = |text: String, (code, sign): &(&str, &str)| text.replace(code, sign);
        HARMLESS.iter().fold(start, show)
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(readable).collect()
}

/// The structure with these fields, and the default's for the rest. An unknown name is an error, and so
/// is a value that the field cannot have.
pub(crate) fn structure<'a, T: DeserializeOwned>(
    fields: impl IntoIterator<Item = &'a str>,
) -> Result<T> {
    let fields: Vec<_> = fields.into_iter().collect();
    let structure = serde_urlencoded::from_str(&fields.join("&"));
    structure.map_err(|why| anyhow!("{}: {why}", fields.join(" ")))
}
