//! Our nodes as bytes. In: a node, or its bytes and its inputs. Out: the other; none for a node
//! that `datafusion-proto` knows and writes whole.

use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::{Result, internal_datafusion_err, internal_err};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::physical_plan::FileScanConfigBuilder;
use datafusion::physical_expr::{AcrossPartitions, ConstExpr, EquivalenceProperties, LexOrdering};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::from_proto::{
    parse_physical_exprs, parse_physical_sort_exprs,
};
use datafusion_proto::physical_plan::to_proto::serialize_physical_sort_exprs;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::{PhysicalExprNode, PhysicalSortExprNode, Schema as SchemaNode};
use prost::Message;

use crate::codec::unreadable;
use crate::dynamic_filter::DynamicFilterExec;
use crate::exchange::{Exchange, ExchangeExec};
use crate::file_scan;
use crate::forget::ForgetExec;
use crate::key_filter::{KeyFilter, KeyFilterExec};
use crate::slices::SliceExec;

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Exchange(ExchangeNode),
    #[prost(message, tag = "2")]
    Slice(SliceNode),
    #[prost(message, tag = "3")]
    DynamicFilter(DynamicFilterNode),
    /// The name of the compression of the scan that is the input.
    #[prost(string, tag = "4")]
    Compressed(String),
    #[prost(message, tag = "5")]
    KeyFilter(KeyFilterNode),
    #[prost(message, tag = "6")]
    Forget(ForgetNode),
}

#[derive(Clone, PartialEq, Message)]
struct ExchangeNode {
    #[prost(uint64, tag = "1")]
    input: u64,
    #[prost(message, optional, tag = "2")]
    schema: Option<SchemaNode>,
    /// Of an exchange by hash.
    #[prost(message, repeated, tag = "3")]
    keys: Vec<PhysicalExprNode>,
    /// Partitions of an exchange by hash, tasks of one that merges; 0 gathers.
    #[prost(uint64, tag = "4")]
    count: u64,
    /// Of an exchange that merges.
    #[prost(message, repeated, tag = "5")]
    ordering: Vec<PhysicalSortExprNode>,
    #[prost(message, repeated, tag = "6")]
    equal: Vec<EqualNode>,
    #[prost(message, repeated, tag = "7")]
    ordered: Vec<OrderedNode>,
}

/// Expressions that are equal in every row, and perhaps in all rows of a partition, or of all
/// partitions.
#[derive(Clone, PartialEq, Message)]
struct EqualNode {
    #[prost(message, repeated, tag = "1")]
    exprs: Vec<PhysicalExprNode>,
    #[prost(bool, tag = "2")]
    in_partition: bool,
    #[prost(bool, tag = "3")]
    everywhere: bool,
}

/// An order that the rows of each partition have.
#[derive(Clone, PartialEq, Message)]
struct OrderedNode {
    #[prost(message, repeated, tag = "1")]
    exprs: Vec<PhysicalSortExprNode>,
}

#[derive(Clone, PartialEq, Message)]
struct SliceNode {}

#[derive(Clone, PartialEq, Message)]
struct ForgetNode {}

#[derive(Clone, PartialEq, Message)]
struct DynamicFilterNode {
    #[prost(message, repeated, tag = "1")]
    filters: Vec<PhysicalExprNode>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyFilterNode {
    #[prost(message, repeated, tag = "1")]
    filters: Vec<PhysicalExprNode>,
    /// One for each filter.
    #[prost(uint64, repeated, tag = "2")]
    inputs: Vec<u64>,
}

/// Writes a node without its inputs.
pub(crate) fn write(
    plan: &Arc<dyn ExecutionPlan>,
    codec: &dyn PhysicalExtensionCodec,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Option<Vec<u8>>> {
    let kind = if let Some(exchange) = plan.downcast_ref::<ExchangeExec>() {
        Kind::Exchange(write_exchange(exchange, codec, converter)?)
    } else if plan.is::<SliceExec>() {
        Kind::Slice(SliceNode {})
    } else if plan.is::<ForgetExec>() {
        Kind::Forget(ForgetNode {})
    } else if let Some(filter) = plan.downcast_ref::<DynamicFilterExec>() {
        let filters = filter.filters().iter();
        let filters = filters.map(|filter| converter.physical_expr_to_proto(filter, codec));
        Kind::DynamicFilter(DynamicFilterNode { filters: filters.collect::<Result<_>>()? })
    } else if let Some(told) = plan.downcast_ref::<KeyFilterExec>() {
        let filters = told.dynamic_expressions_produced();
        let filters = filters.iter().map(|filter| converter.physical_expr_to_proto(filter, codec));
        let inputs = told.filters().iter().map(|told| told.input as u64).collect();
        Kind::KeyFilter(KeyFilterNode { filters: filters.collect::<Result<_>>()?, inputs })
    } else {
        match file_scan::of(plan.as_ref()).map(|(_, files)| files.file_compression_type) {
            Some(how) if how.is_compressed() => Kind::Compressed(how.get_variant().to_string()),
            _ => return Ok(None),
        }
    };
    Ok(Some(Node { kind: Some(kind) }.encode_to_vec()))
}

fn write_exchange(
    node: &ExchangeExec,
    codec: &dyn PhysicalExtensionCodec,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<ExchangeNode> {
    let write = |expr| converter.physical_expr_to_proto(expr, codec);
    let (mut keys, mut ordering) = (vec![], vec![]);
    let count = match node.exchange() {
        Exchange::Hash { keys: exprs, partitions } => {
            keys = exprs.iter().map(write).collect::<Result<_>>()?;
            *partitions
        }
        Exchange::Gather => 0,
        Exchange::Merge { tasks, ordering: exprs } => {
            ordering = serialize_physical_sort_exprs(exprs.iter().cloned(), codec, converter)?;
            *tasks
        }
    };
    let known = node.properties().equivalence_properties();
    let equal = known.eq_group().iter().map(|class| {
        let exprs = class.iter().map(write).collect::<Result<_>>()?;
        let constant = class.first().and_then(|expr| known.is_expr_constant(expr));
        let everywhere = matches!(constant, Some(AcrossPartitions::Uniform(_)));
        Ok(EqualNode { exprs, in_partition: constant.is_some(), everywhere })
    });
    let ordered = known.oeq_class().iter().map(|ordering| {
        let exprs = serialize_physical_sort_exprs(ordering.iter().cloned(), codec, converter)?;
        Ok(OrderedNode { exprs })
    });
    Ok(ExchangeNode {
        input: node.input() as u64,
        schema: Some(node.schema().as_ref().try_into()?),
        keys,
        count: count as u64,
        ordering,
        equal: equal.collect::<Result<_>>()?,
        ordered: ordered.collect::<Result<_>>()?,
    })
}

/// Reads a node above its inputs.
pub(crate) fn read(
    bytes: &[u8],
    inputs: &[Arc<dyn ExecutionPlan>],
    context: &PhysicalPlanDecodeContext<'_>,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    let node = Node::decode(bytes).map_err(unreadable)?;
    match (node.kind, inputs) {
        (Some(Kind::Exchange(node)), []) => read_exchange(&node, context, converter),
        (Some(Kind::Slice(_)), [input]) => Ok(Arc::new(SliceExec::new(Arc::clone(input)))),
        (Some(Kind::Forget(_)), [input]) => Ok(Arc::new(ForgetExec::new(Arc::clone(input)))),
        (Some(Kind::DynamicFilter(node)), [input]) => {
            let schema = input.schema();
            let filters = parse_physical_exprs(&node.filters, context, &schema, converter)?;
            Ok(Arc::new(DynamicFilterExec::with_filters(Arc::clone(input), filters)))
        }
        (Some(Kind::KeyFilter(node)), [input]) => read_key_filter(&node, input, context, converter),
        (Some(Kind::Compressed(name)), [input]) => {
            with_compression(input, FileCompressionType::from_str(&name)?)
        }
        _ => internal_err!("a node that cannot be read"),
    }
}

fn read_exchange(
    node: &ExchangeNode,
    context: &PhysicalPlanDecodeContext<'_>,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = node.schema.as_ref().ok_or_else(|| internal_datafusion_err!("no schema"))?;
    let schema: Schema = schema.try_into()?;
    let count = node.count as usize;
    let ordering = parse_physical_sort_exprs(&node.ordering, context, &schema, converter)?;
    let exchange = match LexOrdering::new(ordering) {
        Some(ordering) => Exchange::Merge { tasks: count, ordering },
        None if count == 0 => Exchange::Gather,
        None => {
            let keys = parse_physical_exprs(&node.keys, context, &schema, converter)?;
            Exchange::Hash { keys, partitions: count }
        }
    };
    let mut known = EquivalenceProperties::new(Arc::new(schema));
    let schema = Arc::clone(known.schema());
    for class in &node.equal {
        let exprs = parse_physical_exprs(&class.exprs, context, &schema, converter)?;
        let Some((first, others)) = exprs.split_first() else { continue };
        for other in others {
            known.add_equal_conditions(Arc::clone(first), Arc::clone(other))?;
        }
        if class.in_partition {
            let across = match class.everywhere {
                true => AcrossPartitions::Uniform(None),
                false => AcrossPartitions::Heterogeneous,
            };
            known.add_constants([ConstExpr::new(Arc::clone(first), across)])?;
        }
    }
    for ordering in &node.ordered {
        let exprs = parse_physical_sort_exprs(&ordering.exprs, context, &schema, converter)?;
        known.add_ordering(exprs);
    }
    Ok(Arc::new(ExchangeExec::new(node.input as usize, exchange, known)))
}

fn read_key_filter(
    node: &KeyFilterNode,
    input: &Arc<dyn ExecutionPlan>,
    context: &PhysicalPlanDecodeContext<'_>,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    // The filters are columns of a join in another stage, and of no schema that is here.
    let filters = parse_physical_exprs(&node.filters, context, &input.schema(), converter)?;
    let filters = filters.into_iter().zip(&node.inputs).map(|(filter, input)| {
        let filter = (filter as Arc<dyn std::any::Any + Send + Sync>).downcast();
        let filter = filter.map_err(|_| internal_datafusion_err!("another kind of filter"))?;
        Ok(KeyFilter { filter, input: *input as usize })
    });
    Ok(Arc::new(KeyFilterExec::new(Arc::clone(input), filters.collect::<Result<_>>()?)))
}

fn with_compression(
    plan: &Arc<dyn ExecutionPlan>,
    compression: FileCompressionType,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some((scan, files)) = file_scan::of(plan.as_ref()) else {
        return internal_err!("{} is no scan of files", plan.name());
    };
    let files = FileScanConfigBuilder::from(files.clone());
    let files = files.with_file_compression_type(compression).build();
    Ok(Arc::new(scan.clone().with_data_source(Arc::new(files))))
}
