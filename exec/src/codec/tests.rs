//! What travels arrives as it was, or does not leave.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{CsvSource, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{Operator, create_udf};
use datafusion::physical_expr::expressions::{DynamicFilterPhysicalExpr, binary, col, lit};
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, EquivalenceProperties, LexOrdering, PhysicalSortExpr,
    ScalarFunctionExpr,
};
use datafusion::physical_plan::displayable;
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::projection::ProjectionExec;

use super::*;
use crate::dynamic_filter::DynamicFilterExec;
use crate::exchange::{Exchange, ExchangeExec};
use crate::forget::ForgetExec;
use crate::slices::SliceExec;

fn schema() -> Arc<Schema> {
    let fields = [Field::new("a", DataType::Int32, true), Field::new("t", DataType::Utf8, true)];
    Arc::new(Schema::new(fields.to_vec()))
}

fn a() -> Arc<dyn PhysicalExpr> {
    col("a", &schema()).expect("a column")
}

/// Of rows whose `t` is constant and which are in the order of `a`.
fn known() -> EquivalenceProperties {
    let mut known = EquivalenceProperties::new(schema());
    let t = col("t", &schema()).expect("a column");
    let same = ConstExpr::new(t, AcrossPartitions::Uniform(None));
    known.add_constants([same]).expect("adds");
    known.add_ordering([PhysicalSortExpr { expr: a(), options: Default::default() }]);
    known
}

/// There and back, with the functions of one process.
fn travelled(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let codec = Codec::new(Arc::default());
    let encoded = codec.encode(plan).expect("travels");
    codec.decode(&encoded.bytes, &TaskContext::default()).expect("arrives")
}

fn shown(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(true).to_string()
}

#[test]
fn compression_is_not_lost_below_nodes_of_ours() {
    let source = Arc::new(CsvSource::new(schema()));
    let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
        .with_file_compression_type(FileCompressionType::GZIP)
        .build();
    let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
    let filter: Arc<dyn PhysicalExpr> =
        Arc::new(DynamicFilterPhysicalExpr::new(vec![a()], lit(true)));
    let filtered = DynamicFilterExec::with_filters(scan, vec![filter]);
    let plan: Arc<dyn ExecutionPlan> = Arc::new(SliceExec::new(Arc::new(filtered)));
    let arrived = travelled(&plan);
    let below = arrived.children()[0].children()[0];
    assert!(is_compressed(below.as_ref()), "{}", shown(&arrived));
    assert_eq!(shown(&arrived), shown(&plan));
}

#[test]
fn what_is_forgotten_stays_forgotten() {
    let known: Arc<dyn ExecutionPlan> = Arc::new(ExchangeExec::new(2, Exchange::Gather, known()));
    let plan: Arc<dyn ExecutionPlan> = Arc::new(ForgetExec::new(known));
    let arrived = travelled(&plan);
    assert_eq!(shown(&arrived), shown(&plan));
    assert!(arrived.properties().equivalence_properties().eq_group().is_empty());
    assert!(arrived.properties().output_ordering().is_none());
}

#[test]
fn exchanges_arrive_as_they_are() {
    let order = PhysicalSortExpr { expr: a(), options: Default::default() };
    let ordering = LexOrdering::new([order]).expect("an order");
    let hash = Exchange::Hash { keys: vec![a()], partitions: 4 };
    for exchange in [hash, Exchange::Gather, Exchange::Merge { tasks: 3, ordering }] {
        let plan: Arc<dyn ExecutionPlan> = Arc::new(ExchangeExec::new(2, exchange, known()));
        let arrived = travelled(&plan);
        assert_eq!(shown(&arrived), shown(&plan));
        let told = |plan: &Arc<dyn ExecutionPlan>| format!("{:?}", plan.properties());
        assert_eq!(told(&arrived), told(&plan));
    }
}

#[test]
fn conditions_arrive_as_they_are() {
    let compare = |op, value| binary(a(), op, lit(value), &schema()).expect("compares");
    let both = binary(compare(Operator::Gt, 2), Operator::And, compare(Operator::Lt, 9), &schema());
    let conjunction = Conjunction::of(&both.expect("and"), &schema()).expect("two are cheap");
    let input = Arc::new(ExchangeExec::new(0, Exchange::Gather, known()));
    let filter = FilterExecBuilder::new(Arc::new(conjunction), input).build().expect("filters");
    let plan: Arc<dyn ExecutionPlan> = Arc::new(filter);
    let arrived = travelled(&plan);
    assert_eq!(shown(&arrived), shown(&plan));
}

#[test]
fn a_function_that_workers_lack_does_not_travel() {
    let body = Arc::new(|args: &[datafusion::logical_expr::ColumnarValue]| Ok(args[0].clone()));
    let volatility = datafusion::logical_expr::Volatility::Immutable;
    let ours = create_udf("ours", vec![DataType::Int32], DataType::Int32, volatility, body);
    let schema = schema();
    let call = ScalarFunctionExpr::try_new(Arc::new(ours), vec![a()], &schema, Arc::default());
    let call: Arc<dyn PhysicalExpr> = Arc::new(call.expect("a call"));
    let input = Arc::new(ExchangeExec::new(0, Exchange::Gather, known()));
    let plan = ProjectionExec::try_new([(call, "x".to_owned())], input).expect("projects");
    let error = Codec::new(Arc::default()).encode(&(Arc::new(plan) as _)).expect_err("refused");
    assert!(error.to_string().contains("the function ours on workers"), "{error}");
}
