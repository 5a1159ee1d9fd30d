//! Plans as bytes. In: a physical plan, or its bytes and the functions of this process. Out: the
//! other. `datafusion-proto` writes DataFusion's own nodes; here is what it does not know (our
//! nodes, and whether a worker has a function) and what it would lose without a word (the
//! compression of text files). What cannot be written is an error when the query is planned and
//! not when it runs.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::{DataFusionError, Result, internal_err, not_impl_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_expr_common::physical_expr::proto_decode::PhysicalExprDecodeCtx;
use datafusion::physical_expr_common::physical_expr::proto_encode::PhysicalExprEncodeCtx;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::to_proto::serialize_physical_expr_with_converter;
use datafusion_proto::physical_plan::{
    DeduplicatingProtoConverter, PhysicalExtensionCodec, PhysicalPlanDecodeContext,
    PhysicalPlanNodeExt, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::physical_plan_node::PhysicalPlanType;
use datafusion_proto::protobuf::{PhysicalExprNode, PhysicalExtensionNode, PhysicalPlanNode};
use prost::Message;

use crate::conjunction::Conjunction;
use crate::{file_scan, nodes};

/// The functions that every process of a cluster has, by name.
#[derive(Debug, Default)]
pub struct Functions {
    /// Of one row.
    pub scalar: HashMap<String, Arc<ScalarUDF>>,
    /// Of many rows.
    pub aggregate: HashMap<String, Arc<AggregateUDF>>,
    /// Of a row among others.
    pub window: HashMap<String, Arc<WindowUDF>>,
    /// Of functions.
    pub higher_order: HashMap<String, Arc<HigherOrderUDF>>,
}

/// Writes and reads plans.
#[derive(Debug, Clone)]
pub struct Codec {
    functions: Arc<Functions>,
}

/// A plan as bytes.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The plan.
    pub bytes: Bytes,
    /// Whether it needs the value of a scalar subquery that is not part of it.
    pub needs_scalars: bool,
}

impl Codec {
    /// A codec for plans of these functions.
    pub fn new(functions: Arc<Functions>) -> Self {
        Self { functions }
    }

    /// Writes a plan.
    ///
    /// # Errors
    /// A node, an expression or a function that cannot travel.
    pub fn encode(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Encoded> {
        let encoder = Encoder::default();
        let node = encoder.execution_plan_to_proto(plan, self)?;
        let needs_scalars = encoder.needs_scalars.get();
        Ok(Encoded { bytes: Bytes::from(node.encode_to_vec()), needs_scalars })
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// Bytes that no codec of this version wrote.
    pub fn decode(&self, bytes: &[u8], context: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
        let node = PhysicalPlanNode::decode(bytes).map_err(unreadable)?;
        let context = PhysicalPlanDecodeContext::new(context, self);
        DeduplicatingProtoConverter {}.proto_to_execution_plan(&node, &context)
    }
}

pub(crate) fn unreadable(error: prost::DecodeError) -> DataFusionError {
    DataFusionError::Internal(format!("a plan that cannot be read: {error}"))
}

/// A function travels by its name, so it must be the one that every worker knows by that name.
macro_rules! by_name {
    ($functions:expr, $function:expr) => {
        match $functions.get($function.name()) {
            Some(known) if known.as_ref() == $function => Ok(()),
            _ => not_impl_err!("the function {} on workers", $function.name()),
        }
    };
}

macro_rules! known {
    ($functions:expr, $name:expr) => {
        match $functions.get($name) {
            Some(known) => Ok(Arc::clone(known)),
            None => not_impl_err!("the function {} on workers", $name),
        }
    };
}

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let context = PhysicalPlanDecodeContext::new(context, self);
        nodes::read(bytes, inputs, &context, converter)
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        _: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        not_impl_err!("{} on workers", node.name())
    }

    fn try_encode_udf(&self, node: &ScalarUDF, _: &mut Vec<u8>) -> Result<()> {
        by_name!(self.functions.scalar, node)
    }

    fn try_decode_udf(&self, name: &str, _: &[u8]) -> Result<Arc<ScalarUDF>> {
        known!(self.functions.scalar, name)
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, _: &mut Vec<u8>) -> Result<()> {
        by_name!(self.functions.aggregate, node)
    }

    fn try_decode_udaf(&self, name: &str, _: &[u8]) -> Result<Arc<AggregateUDF>> {
        known!(self.functions.aggregate, name)
    }

    fn try_encode_udwf(&self, node: &WindowUDF, _: &mut Vec<u8>) -> Result<()> {
        by_name!(self.functions.window, node)
    }

    fn try_decode_udwf(&self, name: &str, _: &[u8]) -> Result<Arc<WindowUDF>> {
        known!(self.functions.window, name)
    }

    fn try_encode_higher_order_function(
        &self,
        node: &HigherOrderUDF,
        _: &mut Vec<u8>,
    ) -> Result<()> {
        by_name!(self.functions.higher_order, node)
    }

    fn try_decode_higher_order_function(
        &self,
        name: &str,
        _: &[u8],
    ) -> Result<Arc<HigherOrderUDF>> {
        known!(self.functions.higher_order, name)
    }

    fn try_encode_expr(
        &self,
        node: &Arc<dyn PhysicalExpr>,
        bytes: &mut Vec<u8>,
        _: &PhysicalExprEncodeCtx<'_>,
    ) -> Result<()> {
        match node.downcast_ref::<Conjunction>() {
            Some(conjunction) => {
                bytes.extend(u64::try_from(conjunction.cheap()).unwrap_or(0).to_le_bytes());
                Ok(())
            }
            None => not_impl_err!("the expression {node} on workers"),
        }
    }

    fn try_decode_expr(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn PhysicalExpr>],
        _: &PhysicalExprDecodeCtx<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let cheap = bytes.try_into().ok().map(u64::from_le_bytes);
        match cheap.and_then(|cheap| usize::try_from(cheap).ok()) {
            Some(cheap) => Ok(Arc::new(Conjunction::new(inputs.to_vec(), cheap))),
            None => internal_err!("an expression that cannot be read"),
        }
    }
}

/// Writes plans. Nodes that would be written wrongly, or not at all, are written here; so are all
/// their inputs, which `datafusion-proto` would otherwise write without asking again.
#[derive(Default)]
struct Encoder {
    needs_scalars: Cell<bool>,
    /// Of expressions that are in several places, by their identities in this process.
    ids: RefCell<HashMap<u64, u64>>,
}

impl PhysicalProtoConverterExtension for Encoder {
    fn execution_plan_to_proto(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<PhysicalPlanNode> {
        let plain = |plan: &Arc<dyn ExecutionPlan>| {
            PhysicalPlanNode::try_from_physical_plan_with_converter(Arc::clone(plan), codec, self)
        };
        let Some(node) = nodes::write(plan, codec, self)? else { return plain(plan) };
        let inputs = if is_compressed(plan.as_ref()) {
            vec![plain(plan)?]
        } else {
            let children = plan.children().into_iter();
            children
                .map(|child| self.execution_plan_to_proto(child, codec))
                .collect::<Result<_>>()?
        };
        let extension = PhysicalExtensionNode { node, inputs };
        Ok(PhysicalPlanNode { physical_plan_type: Some(PhysicalPlanType::Extension(extension)) })
    }

    fn physical_expr_to_proto(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<PhysicalExprNode> {
        if expr.is::<ScalarSubqueryExpr>() {
            self.needs_scalars.set(true);
        }
        let mut node = serialize_physical_expr_with_converter(expr, codec, self)?;
        // Identities count from the first in the plan: plans that do the same are the same bytes.
        if let Some(id) = &mut node.expr_id {
            let mut ids = self.ids.borrow_mut();
            let next = ids.len() as u64;
            *id = *ids.entry(*id).or_insert(next);
        }
        Ok(node)
    }

    fn proto_to_execution_plan(
        &self,
        _: &PhysicalPlanNode,
        _: &PhysicalPlanDecodeContext<'_>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        internal_err!("plans are not read here")
    }

    fn proto_to_physical_expr(
        &self,
        _: &PhysicalExprNode,
        _: &Schema,
        _: &PhysicalPlanDecodeContext<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        internal_err!("expressions are not read here")
    }
}

/// Whether a node scans files whose compression `datafusion-proto` would lose.
pub(crate) fn is_compressed(node: &dyn ExecutionPlan) -> bool {
    file_scan::of(node).is_some_and(|(_, files)| files.file_compression_type.is_compressed())
}
