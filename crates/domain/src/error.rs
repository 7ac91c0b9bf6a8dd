//! What can go wrong, in kinds that know nothing of transport. One file at the HTTP edge turns
//! kinds into statuses; nothing else does.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The kind of a failure: who must act, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is malformed or breaks a rule; the caller must change it.
    Invalid,
    /// No credential, or an unknown or revoked one.
    Unauthorized,
    /// The credential is good but may not do this.
    Forbidden,
    /// It does not exist, or belongs to someone else: the two are not told apart.
    NotFound,
    /// It clashes with what is there (a taken slug).
    Conflict,
    /// Over a stated size limit.
    TooLarge,
    /// A type of content that is not accepted.
    UnsupportedType,
    /// Well formed, yet nothing can be done with it (a PDF without text).
    Unprocessable,
    /// Too much at once; worth trying again after the given time.
    RateLimited(Duration),
    /// A model provider or another outside service failed.
    Provider,
    /// Something needed is not configured or not reachable just now.
    Unavailable,
    /// A disk of ours is full; whoever runs the server must make room.
    OutOfSpace,
    /// A fault of ours. Its message is for the log and is never shown to a client.
    Internal,
}

/// One field's problem, for the `details` of a validation error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// The field's path as the client wrote it, such as `settings.snippet.primaryColor`.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// A failure: its kind, one plain sentence for the person who can mend it, and its cause.
#[derive(Debug)]
pub struct Error {
    /// Who must act.
    pub kind: ErrorKind,
    /// A word for programs that tells this failure from others of its kind, where that matters.
    pub code: Option<&'static str>,
    /// One plain sentence. For [`ErrorKind::Internal`] it says what was being done.
    pub message: String,
    /// The fields at fault, where the input is.
    pub details: Vec<FieldProblem>,
    /// What caused it, for the log.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of whatever may fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of `kind` with its sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
            details: Vec::new(),
            source: None,
        }
    }

    /// The failure under a word of its own, such as `email_needed`.
    pub fn coded(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// The request breaks a rule.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// One field of the request breaks a rule.
    pub fn invalid_field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        let mut error = Self::invalid(format!("{field}: {problem}"));
        error.details.push(FieldProblem { field, problem });
        error
    }

    /// `what` does not exist for this caller: `"There is no such chatbot."`
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("There is no such {what}."))
    }

    /// A disk of ours is full.
    pub fn out_of_space() -> Self {
        let message = "This server's disk is full. Make room where it keeps its data and its \
                       temporary files, then try again.";
        Self::new(ErrorKind::OutOfSpace, message)
    }

    /// A fault of ours, met while `doing` something; a full disk, where that is the cause.
    pub fn internal(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::new(ErrorKind::Internal, doing).caused_by(source)
    }

    /// The failure with its cause; where that is a full disk, it is [`Error::out_of_space`].
    pub fn caused_by(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        let failure = match says_full(source.as_ref()) {
            true => Self::out_of_space(),
            false => self,
        };
        Self {
            source: Some(source),
            ..failure
        }
    }
}

/// Whether an error comes from a write for which a disk, a quota or a limit of file sizes had no room.
fn says_full(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let mut cause = Some(error);
    while let Some(error) = cause {
        let Some(of_io) = error.downcast_ref::<std::io::Error>() else {
            cause = error.source();
            continue;
        };
        if matches!(of_io.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            return true;
        }
        // What it carries, not what caused that, which is what `source` would give.
        cause = of_io.get_ref().map(|carried| carried as _);
    }
    false
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_seen_through_whatever_reports_it() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let check = |error: Error, expected| assert_eq!(error.kind, expected, "{error:?}");
        check(Error::internal("writing", full()), ErrorKind::OutOfSpace);
        let wrapped = Error::new(ErrorKind::Unavailable, "no answer").caused_by(full());
        assert!(wrapped.source.is_some());
        check(Error::internal("more", wrapped), ErrorKind::OutOfSpace);
        check(
            Error::internal("writing", io::Error::other(full())),
            ErrorKind::OutOfSpace,
        );
        check(
            Error::internal("writing", io::Error::from(io::ErrorKind::NotFound)),
            ErrorKind::Internal,
        );
        check(Error::internal("doing", "a reason"), ErrorKind::Internal);
    }
}
