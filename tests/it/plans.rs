//! Are the plans of the TPC-H queries the ones in `tests/plans`? A changed rule shows as a diff of
//! these files; `UPDATE_GOLDEN=1 cargo test` accepts it.

use mobula_tests::golden;
use mobula_tests::mobula::Mobula;
use mobula_tests::wire::Wire;

#[tokio::test]
async fn plans_are_as_written() {
    let server = Mobula::demo();
    let mut wire = Wire::login(&server.uri).await;
    let folder = server.data_dir().canonicalize().expect("the data directory");
    let folder = folder.to_string_lossy().trim_start_matches('/').to_owned();
    let files = mobula_tests::files("tests/plans", ".txt");
    assert_eq!(files.len(), 22, "a file for each query of TPC-H");
    let mut failures = Vec::new();
    for path in files {
        let sql = std::fs::read_to_string(&path).expect("a plan file");
        let sql = sql.split("----\n").next().unwrap_or_default().to_owned();
        let plan = match wire.query(&format!("EXPLAIN {sql}")).await {
            Ok(answer) => answer.rows.into_iter().flatten().flatten().collect::<Vec<_>>(),
            Err(error) => vec![error.to_string()],
        };
        let plan = plan.iter().map(|line| format!("{}\n", line.replace(&folder, "DATA")));
        let plan: String = plan.collect();
        failures.extend(golden::check(&path, |_| plan).err());
    }
    assert!(failures.is_empty(), "{} plans differ:\n{}", failures.len(), failures.join("\n"));
}
