//! The demo's tables in the catalog. In: the folders that were generated. Out: external tables in
//! schema public. A name that a user has taken stays the user's.

use std::sync::Arc;

use planner::tables::{self, FileTable};

use crate::catalog::encode_columns;
use crate::demo::DemoTable;
use crate::error::{PgResult, engine};
use crate::meta::{ADMIN_OID, NewRelation, RelationKind};
use crate::shared::Shared;

/// Registers the demo's tables that are not there yet.
pub async fn register(shared: &Arc<Shared>, demo: &[DemoTable]) -> PgResult<()> {
    for table in demo {
        let known = shared.meta.snapshot().relation("public", table.name).cloned();
        let location = table.path.to_string_lossy().into_owned();
        if known.as_ref().is_some_and(|relation| relation.location == location) {
            continue;
        }
        let is_demo = |relation: &crate::meta::Relation| relation.location.contains("/demo/sf");
        if known.as_ref().is_some_and(|relation| !is_demo(relation)) {
            tracing::warn!(
                table = table.name,
                "a table of this name exists: the demo's is left out"
            );
            continue;
        }
        let files = FileTable {
            format: "parquet".to_owned(),
            location: location.clone(),
            options: Default::default(),
            partition_columns: vec![],
        };
        let engine_error = |error| engine::from_engine(&error, "");
        let url = tables::locate(shared.engine.roots(), &shared.data_dir, &location)
            .map_err(engine_error)?;
        let schema =
            tables::infer_schema(&shared.base, &url, &files).await.map_err(engine_error)?;
        let relation = NewRelation {
            oid: shared.meta.snapshot().new_oid()?,
            schema: "public".to_owned(),
            name: table.name.to_string(),
            owner: ADMIN_OID,
            kind: RelationKind::External,
            format: files.format,
            location,
            options: "{}".to_owned(),
            columns: encode_columns(&schema),
            partition_columns: encode_columns(&datafusion::arrow::datatypes::Schema::empty()),
            definition: String::new(),
            needs: Default::default(),
        };
        shared.meta.change(|now| now.create_relation(&relation, true, false))?;
    }
    Ok(())
}
