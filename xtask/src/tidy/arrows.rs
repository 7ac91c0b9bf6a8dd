//! Which crate may depend on which: the directions between our own, and the owner of each outside library.
//!
//! Reads the dependencies that the manifests declare, not the resolved graph: a rule about what a crate may *use*
//! concerns what its own manifest names.

use serde_json::Value;

use super::Violation;

/// A crate of the workspace, as its manifest describes it.
#[derive(Debug)]
pub struct Package {
    pub name: String,
    pub manifest: String,
    pub license: Option<String>,
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
#[derive(Debug)]
pub struct Dependency {
    pub name: String,
    pub kind: Kind,
    pub optional: bool,
}

/// The table that the line stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Dev,
    Build,
}

/// Our crates and what each may use of the others; a crate that is missing here is a finding.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("okra-domain", &[]),
    ("okra-store", &["okra-domain"]),
    ("okra-ai", &["okra-domain"]),
    ("okra-extract", &["okra-domain"]),
    ("okra-search", &["okra-domain"]),
    (
        "okra-engine",
        &[
            "okra-domain",
            "okra-store",
            "okra-ai",
            "okra-extract",
            "okra-search",
        ],
    ),
    (
        "okra-server",
        &["okra-domain", "okra-store", "okra-ai", "okra-engine"],
    ),
    // It stands beside the crates it tests: if it knew one of them, that crate's tests would see it twice.
    ("okra-testkit", &["okra-domain"]),
    (
        "okra-bench",
        &[
            "okra-domain",
            "okra-store",
            "okra-ai",
            "okra-extract",
            "okra-search",
            "okra-engine",
            "okra-server",
        ],
    ),
    ("xtask", &[]),
];

const WHY_DIRECTIONS: &str = "The arrows are server -> engine -> store, ai, extract, search -> domain, and server -> \
                              store, ai for wiring. What needs two of the middle crates belongs in engine.";

/// The crate that only tests may use.
const TESTKIT: &str = "okra-testkit";

/// The owner of one kind of work.
struct Ownership {
    /// Names of libraries; a library whose name continues with a dash (`axum-extra`) belongs to it.
    libraries: &'static [&'static str],
    owners: &'static [&'static str],
    /// May name it behind a feature that is off by default.
    optional_in: &'static [&'static str],
    /// Whether every crate's tests may use it.
    free_in_tests: bool,
    why: &'static str,
}

const OWNERSHIP: &[Ownership] = &[
    Ownership {
        libraries: &["axum"],
        owners: &["okra-server", TESTKIT],
        optional_in: &[],
        free_in_tests: false,
        why: "HTTP as we serve it is the server's alone (testkit plays other people's servers); inner crates speak in \
              our own types.",
    },
    Ownership {
        libraries: &["utoipa"],
        owners: &["okra-server"],
        optional_in: &["okra-domain"],
        free_in_tests: false,
        why: "The API's description belongs to the edge; domain may derive schemas behind its `openapi` feature.",
    },
    Ownership {
        libraries: &["sqlx", "rusqlite", "tokio-postgres", "object_store"],
        owners: &["okra-store"],
        optional_in: &[],
        free_in_tests: false,
        why: "Durable state has one door: SQL and object storage live in store, behind methods scoped by organization.",
    },
    Ownership {
        libraries: &["genai", "async-openai"],
        owners: &["okra-ai", "okra-bench"],
        optional_in: &[],
        free_in_tests: true,
        why: "Vendors' APIs are known to ai alone.",
    },
    Ownership {
        libraries: &["reqwest", "ureq", "isahc", "curl", "attohttpc"],
        owners: &["okra-ai", "okra-engine", "okra-bench"],
        optional_in: &[],
        free_in_tests: true,
        why: "Requests leave from two places: ai for model providers, and engine's fetcher, which refuses addresses \
              inside the operator's network.",
    },
];

/// Reads the workspace's crates from what `cargo metadata --no-deps` prints.
pub fn packages(metadata: &Value) -> Result<Vec<Package>, String> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata names no packages")?;
    packages
        .iter()
        .map(|package| read_package(package, root))
        .collect()
}

fn read_package(package: &Value, root: &str) -> Result<Package, String> {
    let name = package["name"]
        .as_str()
        .ok_or("cargo metadata has a package without a name")?;
    let manifest = package["manifest_path"].as_str().unwrap_or(name);
    let declared = package["dependencies"]
        .as_array()
        .ok_or_else(|| format!("{name}: no list of dependencies"))?;
    let dependencies = declared
        .iter()
        .map(|dependency| Dependency {
            name: dependency["name"].as_str().unwrap_or_default().to_string(),
            kind: match dependency["kind"].as_str() {
                Some("dev") => Kind::Dev,
                Some("build") => Kind::Build,
                _ => Kind::Normal,
            },
            optional: dependency["optional"].as_bool().unwrap_or(false),
        })
        .collect();
    Ok(Package {
        name: name.to_string(),
        manifest: manifest
            .strip_prefix(root)
            .unwrap_or(manifest)
            .trim_start_matches('/')
            .to_string(),
        license: package["license"].as_str().map(String::from),
        dependencies,
    })
}

/// Checks every crate against the directions, the ownership of libraries, and the licence.
pub fn check(packages: &[Package]) -> Vec<Violation> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut report = |finding: String, why: &'static str| {
        violations.push(Violation {
            place: package.manifest.clone(),
            finding,
            why,
        });
    };
    if package.license.as_deref() != Some("Apache-2.0") {
        report(
            format!("{} does not say `license.workspace = true`", package.name),
            "Whoever takes one crate out of the workspace must find its licence in it.",
        );
    }
    let Some((_, allowed)) = DIRECTIONS.iter().find(|(name, _)| *name == package.name) else {
        report(
            format!("{} is not in tidy's table of directions", package.name),
            "A new crate is a decision: add it to xtask/src/tidy/arrows.rs with what it may use.",
        );
        return violations;
    };
    for dependency in &package.dependencies {
        if dependency.name == TESTKIT {
            if dependency.kind != Kind::Dev && package.name != "okra-bench" {
                report(
                    format!("{} uses {TESTKIT} outside its tests", package.name),
                    "Test support must not reach the binary: name it under [dev-dependencies].",
                );
            }
        } else if is_ours(&dependency.name) {
            // A crate may name itself for its tests: that is how they switch one of its features on.
            let itself = dependency.name == package.name && dependency.kind == Kind::Dev;
            if !itself && !allowed.contains(&dependency.name.as_str()) {
                report(
                    format!("{} depends on {}", package.name, dependency.name),
                    WHY_DIRECTIONS,
                );
            }
        } else if let Some(why) = foreign(&package.name, dependency) {
            report(
                format!("{} depends on {}", package.name, dependency.name),
                why,
            );
        }
    }
    violations
}

fn is_ours(name: &str) -> bool {
    DIRECTIONS.iter().any(|(ours, _)| *ours == name) || name.starts_with("okra-")
}

/// Why `package` may not have `dependency`, if it may not.
fn foreign(package: &str, dependency: &Dependency) -> Option<&'static str> {
    let rule = OWNERSHIP.iter().find(|rule| {
        rule.libraries
            .iter()
            .any(|library| belongs(&dependency.name, library))
    })?;
    let allowed = rule.owners.contains(&package)
        || (rule.optional_in.contains(&package) && dependency.optional)
        || (rule.free_in_tests && dependency.kind == Kind::Dev);
    (!allowed).then_some(rule.why)
}

fn belongs(name: &str, library: &str) -> bool {
    name.strip_prefix(library)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests;
