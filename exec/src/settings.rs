//! What every task of a query needs besides its plan: the session's settings, and which version of
//! each file was planned for. In: a session's settings and files. Out: bytes, and on a worker the
//! same again.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::prelude::SessionConfig;
use object_store::ObjectMeta;
use prost::Message;

use crate::codec::unreadable;

/// DataFusion's, by name: the same for every query.
static DEFAULTS: LazyLock<BTreeMap<String, Option<String>>> = LazyLock::new(|| {
    let entries = ConfigOptions::default().entries().into_iter();
    entries.map(|entry| (entry.key, entry.value)).collect()
});

/// A query's settings and files.
#[derive(Clone, PartialEq, Message)]
pub struct Settings {
    /// Those that differ from DataFusion's defaults, by name.
    #[prost(btree_map = "string, string", tag = "1")]
    entries: BTreeMap<String, String>,
    /// Files by path: the e-tag that planning met.
    #[prost(btree_map = "string, string", tag = "2")]
    pins: BTreeMap<String, String>,
}

impl Settings {
    /// The settings of a session, without files.
    pub fn of(config: &SessionConfig) -> Self {
        let entries = config.options().entries().into_iter();
        let entries = entries.filter(|entry| DEFAULTS.get(&entry.key) != Some(&entry.value));
        let entries = entries.filter_map(|entry| Some((entry.key, entry.value?))).collect();
        Self { entries, pins: BTreeMap::new() }
    }

    /// Keeps the version of a file.
    pub fn pin(&mut self, file: &ObjectMeta) {
        if let Some(e_tag) = &file.e_tag {
            self.pins.insert(file.location.to_string(), e_tag.clone());
        }
    }

    /// Path and e-tag of every file.
    pub fn pins(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pins.iter().map(|(path, e_tag)| (path.as_str(), e_tag.as_str()))
    }

    /// As bytes.
    pub fn encode(&self) -> Bytes {
        Bytes::from(self.encode_to_vec())
    }

    /// From bytes.
    ///
    /// # Errors
    /// Bytes that no version of ours wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Message::decode(bytes).map_err(unreadable)
    }

    /// The settings in force, over DataFusion's defaults.
    ///
    /// # Errors
    /// A setting that this version does not have.
    pub fn session_config(&self) -> Result<SessionConfig> {
        let mut config = SessionConfig::new();
        for (key, value) in &self.entries {
            config.options_mut().set(key, value)?;
        }
        Ok(config)
    }
}
