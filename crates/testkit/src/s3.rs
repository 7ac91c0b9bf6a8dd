//! An S3-compatible object store in memory, on a loopback port of its own: as much of the protocol
//! as an object-store client speaks, with S3's own limits, and without checking signatures.
//!
//! It knows PUT, GET, HEAD and DELETE of an object, multipart uploads, lists (version 2) and
//! deletion of many objects at once. It is stricter than convenient where S3 is: a part that is not
//! the last must have 5 MiB, an upload is completed by the parts' own tags.

mod xml;

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use xml::{element, elements, unescape};

/// The only bucket.
const BUCKET: &str = "bucket";
/// The least bytes of a part that is not the last.
const LEAST_PART: usize = 5 * 1024 * 1024;
/// Keys of one answer to a list. Few, so that every test of a folder turns pages.
const LISTED: usize = 4;
/// Keys of one deletion at most.
const DELETED: usize = 1_000;

/// An object store. Stops listening when dropped, and forgets all.
pub struct MockS3 {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<Stored>,
    /// How many uploads are open, for those who wait for it.
    uploads: watch::Sender<usize>,
}

#[derive(Default)]
struct Stored {
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, Upload>,
    begun: usize,
    refusing: bool,
    requests: Vec<(Method, String)>,
}

struct Upload {
    key: String,
    parts: BTreeMap<usize, Bytes>,
}

/// An S3 error: its status and its code.
struct Refused(StatusCode, &'static str);

type Answer = Result<Response, Refused>;

impl MockS3 {
    /// Starts on a free port of 127.0.0.1, without objects.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(serve).with_state(shared.clone());
        let server = tokio::spawn(async move {
            // It ends by being aborted; a failed accept shows as a failed test.
            let _ = axum::serve(listener, router).await;
        });
        Self {
            address,
            shared,
            server,
        }
    }

    /// The address of the bucket, or of a prefix in it: `s3://bucket/PREFIX`.
    pub fn url(&self, prefix: &str) -> String {
        match prefix {
            "" => format!("s3://{BUCKET}"),
            _ => format!("s3://{BUCKET}/{prefix}"),
        }
    }

    /// The environment variables with which a client reaches it.
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "mock"),
            ("AWS_SECRET_ACCESS_KEY", "mock-secret"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> Vec<String> {
        self.shared.lock().objects.keys().cloned().collect()
    }

    /// Puts an object under a key, or another in its place.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.shared
            .lock()
            .objects
            .insert(key.to_owned(), bytes.into());
    }

    /// Takes the object under a key away.
    pub fn remove(&self, key: &str) {
        self.shared.lock().objects.remove(key);
    }

    /// Forgets what was asked for so far.
    pub fn forget_requests(&self) {
        self.shared.lock().requests.clear();
    }

    /// The keys of the objects that were read since, sorted; those of lists are empty.
    pub fn read(&self) -> Vec<String> {
        let stored = self.shared.lock();
        let read = stored.requests.iter();
        let read = read.filter(|(method, _)| method == Method::GET);
        let mut keys: Vec<String> = read.map(|(_, key)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// Waits until `count` multipart uploads are begun and neither completed nor aborted.
    pub async fn wait_for_open_uploads(&self, count: usize) {
        let mut changes = self.shared.uploads.subscribe();
        // It cannot fail: the sender is borrowed for as long as this waits.
        let _ = changes.wait_for(|open| *open == count).await;
    }

    /// From now on refuses everything with 403, or nothing.
    pub fn refuse(&self, refusing: bool) {
        self.shared.lock().refusing = refusing;
    }
}

impl Drop for MockS3 {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let query = query(head.uri.query().unwrap_or_default());
    let answer = match to_bytes(body, usize::MAX).await {
        Ok(body) => {
            let path = percent_decode(head.uri.path());
            let mut stored = shared.lock();
            let answer = stored.answer(&head.method, &path, &query, (&head.headers, body));
            let open = stored.uploads.len();
            drop(stored);
            shared.uploads.send_replace(open);
            answer
        }
        Err(_) => Err(Refused(StatusCode::BAD_REQUEST, "IncompleteBody")),
    };
    answer.unwrap_or_else(|Refused(status, code)| {
        let message = element("Code", code) + &element("Message", "refused by the mock");
        xml_response(status, &element("Error", &message))
    })
}

impl Stored {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &BTreeMap<String, String>,
        (headers, body): (&HeaderMap, Bytes),
    ) -> Answer {
        if self.refusing {
            return Err(Refused(StatusCode::FORBIDDEN, "AccessDenied"));
        }
        let (bucket, key) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((path.trim_start_matches('/'), ""));
        if bucket != BUCKET {
            return Err(Refused(StatusCode::NOT_FOUND, "NoSuchBucket"));
        }
        self.requests.push((method.clone(), key.to_owned()));
        match (method.as_str(), key, query.get("uploadId")) {
            ("GET", "", _) => Ok(self.list(query)),
            ("POST", "", _) if query.contains_key("delete") => self.delete_many(headers, &body),
            (_, "", _) => Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")),
            ("POST", key, None) if query.contains_key("uploads") => Ok(self.begin(key)),
            ("PUT", key, Some(id)) => self.put_part(key, id, query, body),
            ("POST", key, Some(id)) => self.complete(key, id, &body),
            ("DELETE", key, Some(id)) => {
                self.upload(key, id)?;
                self.uploads.remove(id);
                Ok(empty(StatusCode::NO_CONTENT))
            }
            ("PUT", key, None) => {
                let tag = tag(&body);
                self.objects.insert(key.to_owned(), body);
                Ok(with_tag(&tag, Bytes::new()))
            }
            ("GET" | "HEAD", key, None) => match self.objects.get(key) {
                Some(bytes) => Ok(with_tag(&tag(bytes), bytes.clone())),
                None => Err(Refused(StatusCode::NOT_FOUND, "NoSuchKey")),
            },
            ("DELETE", key, None) => {
                self.objects.remove(key);
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")),
        }
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let prefix = query.get("prefix").map_or("", String::as_str);
        // The token is the last key that was given.
        let after = query.get("continuation-token").or(query.get("start-after"));
        let mut keys = self.objects.iter().filter(|(key, _)| {
            key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after.as_str())
        });
        let mut listed = String::new();
        let mut last = None;
        for (key, bytes) in keys.by_ref().take(LISTED) {
            let about = element("Key", &xml::escape(key))
                + &element("LastModified", "2025-01-01T00:00:00.000Z")
                + &element("ETag", &xml::escape(&tag(bytes)))
                + &element("Size", &bytes.len().to_string());
            listed.push_str(&element("Contents", &about));
            last = Some(key);
        }
        let more = keys.next().is_some();
        listed.push_str(&element("IsTruncated", if more { "true" } else { "false" }));
        if let (true, Some(last)) = (more, last) {
            listed.push_str(&element("NextContinuationToken", &xml::escape(last)));
        }
        xml_response(StatusCode::OK, &element("ListBucketResult", &listed))
    }

    fn delete_many(&mut self, headers: &HeaderMap, body: &[u8]) -> Answer {
        if !headers.contains_key("content-md5") {
            return Err(Refused(StatusCode::BAD_REQUEST, "InvalidRequest"));
        }
        let body = String::from_utf8_lossy(body);
        let keys: Vec<String> = elements(&body, "Key").map(unescape).collect();
        if keys.is_empty() || keys.len() > DELETED {
            return Err(Refused(StatusCode::BAD_REQUEST, "MalformedXML"));
        }
        let mut deleted = String::new();
        for key in keys {
            // A key that is not there counts as deleted.
            self.objects.remove(&key);
            deleted.push_str(&element("Deleted", &element("Key", &xml::escape(&key))));
        }
        Ok(xml_response(
            StatusCode::OK,
            &element("DeleteResult", &deleted),
        ))
    }

    fn begin(&mut self, key: &str) -> Response {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        let upload = Upload {
            key: key.to_owned(),
            parts: BTreeMap::new(),
        };
        let answer = element("UploadId", &id);
        self.uploads.insert(id, upload);
        let answer = element("InitiateMultipartUploadResult", &answer);
        xml_response(StatusCode::OK, &answer)
    }

    fn upload(&mut self, key: &str, id: &str) -> Result<&mut Upload, Refused> {
        let upload = self.uploads.get_mut(id).filter(|upload| upload.key == key);
        upload.ok_or(Refused(StatusCode::NOT_FOUND, "NoSuchUpload"))
    }

    fn put_part(
        &mut self,
        key: &str,
        id: &str,
        query: &BTreeMap<String, String>,
        body: Bytes,
    ) -> Answer {
        let number = query
            .get("partNumber")
            .and_then(|number| number.parse().ok());
        let number = number.filter(|number| (1..=10_000).contains(number));
        let number = number.ok_or(Refused(StatusCode::BAD_REQUEST, "InvalidArgument"))?;
        let tag = tag(&body);
        self.upload(key, id)?.parts.insert(number, body);
        Ok(with_tag(&tag, Bytes::new()))
    }

    fn complete(&mut self, key: &str, id: &str, body: &[u8]) -> Answer {
        let invalid = |code| Refused(StatusCode::BAD_REQUEST, code);
        let upload = self.upload(key, id)?;
        let body = String::from_utf8_lossy(body);
        let named: Vec<&str> = elements(&body, "Part").collect();
        if named.is_empty() {
            return Err(invalid("MalformedXML"));
        }
        let mut whole = Vec::new();
        let mut before = 0;
        for (index, part) in named.iter().enumerate() {
            let number = elements(part, "PartNumber").next();
            let number = number.and_then(|number| number.parse::<usize>().ok());
            let number = number.ok_or(invalid("MalformedXML"))?;
            if number <= before {
                return Err(invalid("InvalidPartOrder"));
            }
            before = number;
            let bytes = upload.parts.get(&number).ok_or(invalid("InvalidPart"))?;
            let named_tag = elements(part, "ETag").next().map(unescape);
            if named_tag != Some(tag(bytes)) {
                return Err(invalid("InvalidPart"));
            }
            if bytes.len() < LEAST_PART && index + 1 < named.len() {
                return Err(invalid("EntityTooSmall"));
            }
            whole.extend_from_slice(bytes);
        }
        let whole = Bytes::from(whole);
        let answer = element("ETag", &xml::escape(&tag(&whole)));
        self.uploads.remove(id);
        self.objects.insert(key.to_owned(), whole);
        let answer = element("CompleteMultipartUploadResult", &answer);
        Ok(xml_response(StatusCode::OK, &answer))
    }
}

/// Tells contents apart. S3's own are hashes too, but nobody may rely on which.
fn tag(bytes: &Bytes) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn with_tag(tag: &str, body: Bytes) -> Response {
    Response::builder()
        .header(header::ETAG, tag)
        .header(header::LAST_MODIFIED, "Wed, 01 Jan 2025 00:00:00 GMT")
        .body(Body::from(body))
        .expect("a fixed header is valid")
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn xml_response(status: StatusCode, body: &str) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(Body::from(format!("<?xml version=\"1.0\"?>\n{body}")))
        .expect("a fixed header is valid")
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (
            percent_decode(name),
            percent_decode(&value.replace('+', " ")),
        )
    };
    text.split('&').map(pair).collect()
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_clients_write_them() {
        let read = query("list-type=2&prefix=a%2Fb%20c&uploads&x=1+2");
        let expected = [
            ("list-type", "2"),
            ("prefix", "a/b c"),
            ("uploads", ""),
            ("x", "1 2"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, BTreeMap::from(expected));
        assert_eq!(percent_decode("%ED%95%9C%zz%4"), "한%zz%4");
    }
}
