//! The bridge's service, as code for both ends. Written with the builder and not as a .proto file:
//! its messages are Rust types, and a build needs no protocol compiler.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let unary = |name: &str, route: &str, input: &str, output: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(format!("crate::messages::{input}"))
            .output_type(format!("crate::messages::{output}"))
            .codec_path("tonic_prost::ProstCodec")
    };
    let service = Service::builder()
        .name("Bridge")
        .package("mobula.ray")
        .method(unary("run", "Run", "RunRequest", "RunReply").build())
        .method(unary("fetch", "Fetch", "FetchRequest", "Piece").server_streaming().build())
        .method(unary("release", "Release", "Objects", "Nothing").build())
        .method(unary("nodes", "Nodes", "Nothing", "NodesReply").build())
        .method(unary("places", "Places", "Nothing", "PlacesReply").build())
        .method(unary("warm", "Warm", "WarmRequest", "Nothing").build())
        .method(unary("state", "State", "StateRequest", "StateReply").build())
        .method(unary("demand", "Demand", "Demand", "Nothing").build())
        .build();
    Builder::new().compile(&[service]);
}
