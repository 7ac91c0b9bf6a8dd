//! S3 buckets that sources are read from: those that the operator named, with the operator's own
//! credentials. Organizations name an address among them, and never a key.

use okra_domain::Error;
use okra_domain::error::Result;

use crate::blobs::Blobs;

/// The buckets, or parts of them, that sources may name.
pub struct Buckets {
    allowed: Vec<String>,
    /// The `AWS_…` variables, among others.
    variables: Vec<(String, String)>,
}

impl Buckets {
    /// These, each as `s3://BUCKET` or `s3://BUCKET/PREFIX`, reached with these variables. Fails where
    /// one is no such address.
    pub fn new(allowed: Vec<String>, variables: Vec<(String, String)>) -> Result<Self> {
        let plain = |address: String| match address.strip_prefix("s3://") {
            Some(rest) if !rest.is_empty() && is_plain(rest.trim_end_matches('/')) => {
                Ok(address.trim_end_matches('/').to_owned())
            }
            _ => Err(Error::invalid(format!(
                "{address:?} is no bucket: write s3://BUCKET or s3://BUCKET/PREFIX."
            ))),
        };
        Ok(Self {
            allowed: allowed.into_iter().map(plain).collect::<Result<_>>()?,
            variables,
        })
    }

    /// Those that sources may name.
    pub fn allowed(&self) -> &[String] {
        &self.allowed
    }

    /// Checks that a source may be at this address.
    pub fn check(&self, address: &str) -> Result<()> {
        let below = |allowed: &String| {
            let rest = address.strip_prefix(allowed.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let bare = address.strip_prefix("s3://").unwrap_or_default();
        if self.allowed.iter().any(below) && is_plain(bare.trim_end_matches('/')) {
            return Ok(());
        }
        let problem = "is none of the buckets that this server's operator opened to sources \
                       (bucket_allow, OKRA_BUCKET_ALLOW)";
        Err(Error::invalid_field("address", problem))
    }

    /// Opens the bucket, or the part of one, at this address, where a source may be there.
    pub fn open(&self, address: &str) -> Result<Blobs> {
        self.check(address)?;
        Blobs::open_with(address, self.variables.iter().cloned())
    }
}

/// Whether a path means what it says: no dots to climb with, nothing that a URL reads otherwise.
fn is_plain(path: &str) -> bool {
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    !path.split('/').any(odd) && !path.contains(['%', '?', '#', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_and_what_lies_below_is_allowed() {
        let allowed = vec!["s3://docs/public/".to_owned(), "s3://handbook".to_owned()];
        let buckets = Buckets::new(allowed, Vec::new()).expect("valid");
        for address in [
            "s3://docs/public",
            "s3://docs/public/a/b/",
            "s3://handbook/x",
        ] {
            buckets.check(address).expect(address);
        }
        for address in [
            "s3://docs",
            "s3://docs/public-not",
            "s3://docs/public/../private",
            "s3://docs/public/%2e%2e/private",
            "s3://handbook2",
            "file:///etc",
            "handbook",
            "",
        ] {
            let error = buckets.check(address).expect_err(address);
            assert_eq!(error.details[0].field, "address");
        }
        for odd in ["file:///etc", "s3://", "s3://a/../b"] {
            assert!(
                Buckets::new(vec![odd.to_owned()], Vec::new()).is_err(),
                "{odd}"
            );
        }
    }
}
