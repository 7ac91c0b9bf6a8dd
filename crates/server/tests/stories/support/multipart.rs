//! Multipart forms, written out by hand so that stories can write them wrong.

/// What stands between the parts.
pub const BOUNDARY: &str = "a-boundary-of-a-story";

/// A file in a form.
#[derive(Clone)]
pub struct File {
    name: String,
    bytes: Vec<u8>,
}

impl File {
    /// A file of this name, which is written into the form as it stands.
    pub fn new(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.into(),
        }
    }
}

/// A form that grows part by part.
#[derive(Default)]
pub struct Form {
    bytes: Vec<u8>,
}

impl Form {
    /// Without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a file in this field.
    pub fn file(mut self, field: &str, file: File) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            file.name
        );
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(&file.bytes);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// With a plain field.
    pub fn field(mut self, field: &str, value: &str) -> Self {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
        );
        self.bytes.extend_from_slice(part.as_bytes());
        self
    }

    /// The header that goes with it.
    pub fn media_type(&self) -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    /// The whole body.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes
            .extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.bytes
    }
}
