//! What is deployed, where a commit is, reports and figures on the command line.

use super::{create, server};

const SHOP: &str = r#"apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: shop}
spec:
  inputs:
    - {name: commit, type: string, required: true}
  phases:
    - id: ship
      activities:
        - id: deploy
          uses: command
          with: {run: [sh, -c, 'echo "image=shop/cart:1.0" >> "$TRAINMASTER_OUTPUT"']}
          deploys:
            service: cart
            environment: production
            version: "1.0"
            commit: ${inputs.commit}
            image: ${activity.outputs.image}
            tickets: [SHOP-1]
"#;

#[test]
fn what_is_deployed_is_asked_and_reported() {
    let server = server();
    let shop = server.file("shop.yaml", SHOP);
    server.cli(&["apply", "-f", &shop]).ok();
    let id = create(
        &server,
        &["--process", "shop", "--input", "commit=4f2a91bb", "--start"],
    );
    server.cli(&["release", "watch", &id]).ok();

    let there = server.cli(&["deployed", "production"]).ok();
    assert!(
        there.contains("cart") && there.contains("1.0") && there.contains("4f2a91bb"),
        "{there}"
    );
    let names = server.cli(&["deployed", "production", "-o", "name"]).ok();
    assert_eq!(names.trim(), "production/cart");
    let past = ["deployed", "production", "--at", "2001-01-01T00:00:00Z"];
    assert_eq!(server.cli(&past).ok(), "", "nothing was there then");
    let history = server.cli(&["deployed", "--history", "-o", "wide"]).ok();
    assert!(history.contains("shop/cart:1.0"), "{history}");
    let commits = server.cli(&["deployed", "production", "--commits"]).ok();
    assert!(commits.contains("4f2a91bb"), "{commits}");

    for sought in [
        ["--commit", "4f2a"],
        ["--image", "shop/cart"],
        ["--ticket", "shop-1"],
    ] {
        let found = server.cli(&["where", sought[0], sought[1]]).ok();
        assert!(
            found.contains(&id) && found.contains("production") && found.contains("now"),
            "{found}"
        );
    }
    assert_eq!(server.cli(&["where"]).code, Some(2), "say what is sought");

    let report = server.cli(&["release", "report", &id]).ok();
    assert!(
        report.contains("Deployments:") && report.contains("cart to production"),
        "{report}"
    );
    let path = server.file("report.csv", "");
    server
        .cli(&["release", "report", &id, "--file", &path])
        .ok();
    let table = std::fs::read_to_string(&path).expect("a file");
    assert!(
        table.starts_with("section,") && table.contains("4f2a91bb"),
        "{table}"
    );
    let book = server.file("report.xlsx", "");
    server
        .cli(&["report", "--process", "shop", "--file", &book])
        .ok();
    assert!(std::fs::read(&book).expect("a file").starts_with(b"PK"));
    let wrong = server.cli(&["report", "--file", "report.pdf"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.shown());

    let figures = server.cli(&["metrics"]).ok();
    assert!(
        figures.contains("1 Success") && figures.contains("Lead time"),
        "{figures}"
    );
    let meant = server.cli(&["metrics", "-o", "yaml"]).ok();
    assert!(meant.contains("definition:"), "{meant}");
}
