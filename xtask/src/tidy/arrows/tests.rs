//! Each rule with something that keeps it and something that breaks it.

use super::*;

/// Checks one crate that depends on one other: `kind` is `""`, `dev`, `build` or `optional`.
fn findings(package: &str, dependency: &str, kind: &str) -> Vec<String> {
    let metadata = serde_json::json!({
        "workspace_root": "/w",
        "packages": [{
            "name": package,
            "manifest_path": "/w/crates/x/Cargo.toml",
            "license": "Apache-2.0",
            "dependencies": [{
                "name": dependency,
                "kind": match kind { "dev" => Some("dev"), "build" => Some("build"), _ => None },
                "optional": kind == "optional",
            }],
        }],
    });
    let violations = check(&packages(&metadata).unwrap());
    assert!(
        violations
            .iter()
            .all(|violation| violation.place == "crates/x/Cargo.toml")
    );
    violations
        .into_iter()
        .map(|violation| violation.finding)
        .collect()
}

fn allows(package: &str, dependency: &str, kind: &str) {
    assert_eq!(
        findings(package, dependency, kind),
        Vec::<String>::new(),
        "{package} -> {dependency} ({kind})"
    );
}

fn refuses(package: &str, dependency: &str, kind: &str) {
    let findings = findings(package, dependency, kind);
    assert_eq!(
        findings.len(),
        1,
        "{package} -> {dependency} ({kind}): {findings:?}"
    );
    assert!(
        findings[0].contains(package) && findings[0].contains(dependency),
        "{findings:?}"
    );
}

#[test]
fn dependencies_follow_the_arrows() {
    allows("okra-server", "okra-engine", "");
    allows("okra-server", "okra-store", "");
    allows("okra-engine", "okra-search", "");
    allows("okra-store", "okra-domain", "");
    allows("okra-bench", "okra-server", "");
    allows("okra-store", "okra-store", "dev");
    refuses("okra-engine", "okra-server", "");
    refuses("okra-domain", "okra-store", "");
    refuses("okra-server", "okra-extract", "");
    refuses("okra-testkit", "okra-store", "");
    refuses("xtask", "okra-domain", "");
    for one in ["okra-store", "okra-ai", "okra-extract", "okra-search"] {
        for other in ["okra-store", "okra-ai", "okra-extract", "okra-search"] {
            if one != other {
                refuses(one, other, "");
                refuses(one, other, "dev");
                refuses(one, other, "build");
            }
        }
    }
}

#[test]
fn testkit_stays_in_tests() {
    allows("okra-store", "okra-testkit", "dev");
    allows("okra-bench", "okra-testkit", "");
    refuses("okra-store", "okra-testkit", "");
    refuses("okra-server", "okra-testkit", "optional");
    refuses("okra-server", "okra-testkit", "build");
}

#[test]
fn each_library_stays_with_its_owner() {
    allows("okra-server", "axum", "");
    allows("okra-testkit", "axum", "");
    refuses("okra-engine", "axum", "dev");
    refuses("okra-engine", "axum-extra", "");
    allows("okra-server", "utoipa-axum", "");
    allows("okra-domain", "utoipa", "optional");
    refuses("okra-domain", "utoipa", "");
    refuses("okra-store", "utoipa", "optional");
    allows("okra-store", "sqlx", "");
    allows("okra-store", "object_store", "");
    refuses("okra-server", "sqlx", "dev");
    refuses("okra-engine", "object_store", "");
    allows("okra-ai", "genai", "");
    refuses("okra-engine", "genai", "");
    allows("okra-ai", "reqwest", "");
    allows("okra-engine", "reqwest", "");
    allows("okra-server", "reqwest", "dev");
    allows("okra-bench", "reqwest", "");
    refuses("okra-server", "reqwest", "");
    refuses("okra-store", "reqwest", "optional");
    refuses("okra-extract", "ureq", "build");
}

#[test]
fn a_name_that_only_begins_alike_is_another_library() {
    allows("okra-engine", "axumatic", "");
    allows("okra-engine", "serde", "");
}

#[test]
fn a_new_crate_must_be_entered_in_the_table() {
    let findings = findings("okra-voice", "serde", "");
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("okra-voice is not in tidy's table"));
    refuses("okra-engine", "okra-voice", "");
}

#[test]
fn the_licence_must_be_named() {
    for (license, expected) in [(Some("Apache-2.0"), 0), (Some("MIT"), 1), (None, 1)] {
        let package = Package {
            name: "okra-domain".into(),
            manifest: "crates/domain/Cargo.toml".into(),
            license: license.map(String::from),
            dependencies: Vec::new(),
        };
        assert_eq!(check(&[package]).len(), expected, "{license:?}");
    }
}

#[test]
fn metadata_that_is_not_understood_is_an_error() {
    assert!(packages(&serde_json::json!({})).is_err());
    assert!(packages(&serde_json::json!({ "packages": [{ "name": "okra-domain" }] })).is_err());
}
