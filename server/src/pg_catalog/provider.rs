//! The two system schemas as DataFusion sees them.
//!
//! In: a schema's name and a view. Out: its tables, each built when it is asked for.
//! Refuses to know the rows; see `dynamic` and `static_rows`.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::TableType;

use super::layout::{self, RELATIONS, SystemRelation};
use super::{CatalogView, dynamic, relation_rows, static_rows};

/// `pg_catalog` or `information_schema`, over one view.
#[derive(Debug)]
pub(super) struct SystemSchema {
    name: &'static str,
    view: Arc<CatalogView>,
}

impl SystemSchema {
    pub(super) fn new(name: &'static str, view: Arc<CatalogView>) -> Self {
        Self { name, view }
    }

    /// A relation that is not listed: it holds what a PostgreSQL function returns.
    fn hidden(&self, name: &str) -> Option<&'static SystemRelation> {
        let mine = self.name == layout::PG_CATALOG && name == layout::KEYWORDS.name;
        mine.then(|| &*layout::KEYWORDS)
    }

    fn build(&self, relation: &SystemRelation) -> Result<MemTable> {
        let fixed = match relation_rows::system_batch(relation.name) {
            Some(batch) => Some(batch?),
            None => static_rows::batch(relation)?,
        };
        let current = dynamic::batch(relation, &self.view)?;
        let batches = fixed.into_iter().chain(current).collect();
        MemTable::try_new(Arc::clone(&relation.arrow), vec![batches])
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        let mine = RELATIONS.iter().filter(|relation| relation.schema == self.name);
        mine.map(|relation| relation.name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(relation) = layout::find(self.name, name).or_else(|| self.hidden(name)) else {
            return Ok(None);
        };
        let table: Arc<dyn TableProvider> = Arc::new(self.build(relation)?);
        Ok(Some(table))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        let kind = |relation: &SystemRelation| match relation.kind {
            "v" => TableType::View,
            _ => TableType::Base,
        };
        Ok(layout::find(self.name, name).map(kind))
    }

    fn table_exist(&self, name: &str) -> bool {
        layout::find(self.name, name).or_else(|| self.hidden(name)).is_some()
    }
}
