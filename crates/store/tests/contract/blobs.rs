//! Blobs: the same assertions on a folder and on S3.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use okra_domain::ErrorKind;
use okra_domain::error::Result;
use okra_store::blobs::{BlobWriter, Blobs, Written};
use okra_testkit::s3::MockS3;
use sha2::{Digest, Sha256};

use crate::world::assert_fails;

/// Makes tests `case::folder` and `case::s3` of each `async fn case(home: Home) -> Result<()>`.
macro_rules! on_every_storage {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use super::Home;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn folder() {
                let home = Home::folder();
                super::$case(home).await.expect("the folder does as asked");
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn s3() {
                let home = Home::s3().await;
                super::$case(home).await.expect("the object store does as asked");
            }
        }
    )*};
}

on_every_storage! {
    what_is_put_can_be_read,
    what_is_not_there_reads_as_nothing,
    a_folder_is_deleted_with_all_below_it,
    a_stream_in_small_pieces_is_stored_whole,
    nothing_can_be_read_before_the_end,
    an_aborted_stream_leaves_nothing,
    a_dropped_stream_leaves_nothing,
    many_streams_at_once_do_not_mix,
    a_list_tells_versions_apart,
}

/// A storage of its own.
struct Home {
    blobs: Blobs,
    place: Place,
}

enum Place {
    Folder(tempfile::TempDir),
    S3(MockS3),
}

impl Home {
    fn folder() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}/blobs", folder.path().display());
        let blobs = Blobs::open(&url).expect("a folder can be opened");
        Self {
            blobs,
            place: Place::Folder(folder),
        }
    }

    async fn s3() -> Self {
        let s3 = MockS3::start().await;
        let blobs = Blobs::open_with(&s3.url("some/prefix"), s3.variables());
        Self {
            blobs: blobs.expect("a bucket can be opened"),
            place: Place::S3(s3),
        }
    }

    /// How many objects there are; in a folder what is only begun counts as well.
    fn objects(&self) -> usize {
        match &self.place {
            Place::Folder(folder) => count_files(folder.path()),
            Place::S3(s3) => s3.keys().len(),
        }
    }

    /// Waits until nothing is left of objects that were begun and not finished.
    async fn wait_until_clean(&self) {
        let clean = async {
            match &self.place {
                Place::Folder(_) => {
                    while self.objects() > 0 {
                        tokio::task::yield_now().await;
                    }
                }
                Place::S3(s3) => s3.wait_for_open_uploads(0).await,
            }
        };
        let clean = tokio::time::timeout(Duration::from_secs(20), clean).await;
        clean.expect("what was begun goes away");
        assert_eq!(self.objects(), 0);
    }

    async fn put(&self, path: &str, text: &str) -> Result<()> {
        self.blobs.put(path, Bytes::from(text.to_owned())).await
    }

    async fn read(&self, path: &str) -> Result<Option<String>> {
        let bytes = self.blobs.read(path).await?;
        Ok(bytes.map(|bytes| String::from_utf8(bytes.into()).expect("a test stores UTF-8")))
    }
}

fn count_files(folder: &Path) -> usize {
    // What another task deletes meanwhile is not there.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.path() {
            path if path.is_dir() => count_files(&path),
            _ => 1,
        })
        .sum()
}

/// Bytes that don't repeat within a part.
fn content(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next)
        .take(size / 4 + 1)
        .flatten()
        .collect();
    bytes.truncate(size);
    bytes
}

async fn write_all(writer: &mut BlobWriter, bytes: &[u8], piece: usize) -> Result<()> {
    for piece in bytes.chunks(piece) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    Ok(())
}

async fn what_is_put_can_be_read(home: Home) -> Result<()> {
    let path = "chatbot/1/avatar/a b & c.jpg";
    for text in ["", "short", "한국어 🙂", &"long ".repeat(50_000)] {
        home.put(path, text).await?;
        assert!(home.read(path).await?.as_deref() == Some(text));
    }
    assert_eq!(home.objects(), 1);
    home.blobs.check().await
}

async fn what_is_not_there_reads_as_nothing(home: Home) -> Result<()> {
    home.blobs.check().await?;
    home.put("chatbot/1/knowledge/a", "a").await?;
    for path in ["chatbot/1/knowledge/b", "chatbot/1/knowledge", "x"] {
        assert_eq!(home.read(path).await?, None, "{path}");
    }
    home.blobs.delete("chatbot/1/knowledge/b").await?;
    home.blobs.delete("nothing/here").await?;
    home.blobs.delete("chatbot/1/knowledge/a").await?;
    home.blobs.delete("chatbot/1/knowledge/a").await?;
    assert_eq!(home.objects(), 0);
    Ok(())
}

async fn a_folder_is_deleted_with_all_below_it(home: Home) -> Result<()> {
    for n in 0..11 {
        home.put(&format!("chatbot/1/knowledge/{n}"), "below")
            .await?;
    }
    home.put("chatbot/1/avatar/x.jpg", "below").await?;
    // Names that begin alike are not below.
    let beside = ["chatbot/12/knowledge/0", "chatbot/1.txt", "chatbot/0"];
    for path in beside {
        home.put(path, "beside").await?;
    }
    home.blobs.delete("chatbot/1/knowledge/1").await?;
    assert_eq!(home.read("chatbot/1/knowledge/1").await?, None);
    assert!(home.read("chatbot/1/knowledge/10").await?.is_some());

    home.blobs.delete("chatbot/1").await?;
    assert_eq!(home.objects(), beside.len());
    for path in beside {
        assert_eq!(home.read(path).await?.as_deref(), Some("beside"));
    }
    home.put("chatbot/1/knowledge/0", "again").await?;
    assert_eq!(
        home.read("chatbot/1/knowledge/0").await?.as_deref(),
        Some("again")
    );
    Ok(())
}

async fn a_stream_in_small_pieces_is_stored_whole(home: Home) -> Result<()> {
    const MIB: usize = 1024 * 1024;
    let sizes = [
        (12_345_678, 7_001),
        (0, 1),
        (1, 1),
        (5 * MIB, 64 * 1024),
        (5 * MIB + 1, 5 * MIB),
        (11 * MIB, 11 * MIB),
    ];
    for (size, piece) in sizes {
        let bytes = content(size);
        let mut writer = home.blobs.writer("chatbot/1/knowledge/file").await?;
        write_all(&mut writer, &bytes, piece).await?;
        assert_eq!(writer.size(), size as u64);
        let written = writer.finish().await?;
        let expected = Written {
            size: size as u64,
            sha256: hex::encode(Sha256::digest(&bytes)),
        };
        assert_eq!(written, expected);
        let read = home.blobs.read("chatbot/1/knowledge/file").await?;
        assert!(read.as_deref() == Some(&bytes[..]), "{size} bytes");
        assert_eq!(home.objects(), 1);
    }
    Ok(())
}

async fn nothing_can_be_read_before_the_end(home: Home) -> Result<()> {
    let path = "chatbot/1/knowledge/file";
    let new = content(6_000_000);
    let mut writer = home.blobs.writer(path).await?;
    write_all(&mut writer, &new, 1_000_000).await?;
    assert_eq!(home.blobs.read(path).await?, None);
    writer.finish().await?;

    let mut writer = home.blobs.writer(path).await?;
    write_all(&mut writer, b"newer", 2).await?;
    assert!(home.blobs.read(path).await?.as_deref() == Some(&new[..]));
    writer.finish().await?;
    assert_eq!(home.read(path).await?.as_deref(), Some("newer"));
    Ok(())
}

async fn an_aborted_stream_leaves_nothing(home: Home) -> Result<()> {
    for size in [0, 10, 6_000_000] {
        let mut writer = home.blobs.writer("chatbot/1/knowledge/file").await?;
        write_all(&mut writer, &content(size), 1_000_000).await?;
        writer.abort().await?;
        home.wait_until_clean().await;
        assert_eq!(home.blobs.read("chatbot/1/knowledge/file").await?, None);
    }
    Ok(())
}

/// A visitor who closes the tab in the middle of an upload ends the request where it stands.
async fn a_dropped_stream_leaves_nothing(home: Home) -> Result<()> {
    for size in [0, 10, 6_000_000] {
        let mut writer = home.blobs.writer("chatbot/1/knowledge/file").await?;
        write_all(&mut writer, &content(size), 1_000_000).await?;
        drop(writer);
        home.wait_until_clean().await;
        assert_eq!(home.blobs.read("chatbot/1/knowledge/file").await?, None);
    }
    Ok(())
}

/// A server that is killed in the middle of an upload leaves what arrived so far on the disk.
#[tokio::test]
async fn a_folder_goes_with_what_a_killed_server_left() -> Result<()> {
    let home = Home::folder();
    let mut writer = home.blobs.writer("chatbot/1/knowledge/file").await?;
    write_all(&mut writer, &content(6_000_000), 1_000_000).await?;
    assert_eq!(home.objects(), 1, "a file that is no object yet");
    home.blobs.delete("chatbot/1").await?;
    assert_eq!(home.objects(), 0);
    Ok(())
}

async fn many_streams_at_once_do_not_mix(home: Home) -> Result<()> {
    let writing = (0..6_usize).map(|n| {
        let blobs = home.blobs.clone();
        tokio::spawn(async move {
            let bytes = content(1_000_000 * (n + 1));
            let mut writer = blobs.writer(&format!("chatbot/1/knowledge/{n}")).await?;
            write_all(&mut writer, &bytes, 100_000).await?;
            writer.finish().await
        })
    });
    for (n, written) in futures_util::future::join_all(writing)
        .await
        .into_iter()
        .enumerate()
    {
        let written = written.expect("no panic")?;
        let bytes = home.blobs.read(&format!("chatbot/1/knowledge/{n}")).await?;
        let bytes = bytes.expect("it is there");
        assert_eq!(
            (bytes.len() as u64, n + 1),
            (written.size, bytes.len() / 1_000_000)
        );
        assert_eq!(hex::encode(Sha256::digest(&bytes)), written.sha256);
    }
    assert_eq!(home.objects(), 6);
    Ok(())
}

#[tokio::test]
async fn a_bucket_holds_several_storages_by_prefix() -> Result<()> {
    let s3 = MockS3::start().await;
    let open = |prefix: &str| Blobs::open_with(&s3.url(prefix), s3.variables());
    let (whole, one, two) = (open("")?, open("one")?, open("two/")?);
    one.put("file", Bytes::from_static(b"1")).await?;
    two.put("file", Bytes::from_static(b"2")).await?;
    whole.put("file", Bytes::from_static(b"0")).await?;
    assert_eq!(s3.keys(), ["file", "one/file", "two/file"]);
    one.delete("file").await?;
    assert_eq!(s3.keys(), ["file", "two/file"]);
    assert_eq!(whole.read("two/file").await?.as_deref(), Some(&b"2"[..]));
    Ok(())
}

#[tokio::test]
async fn a_storage_that_refuses_is_told_from_one_without_the_object() -> Result<()> {
    let s3 = MockS3::start().await;
    let blobs = Blobs::open_with(&s3.url(""), s3.variables())?;
    blobs.put("file", Bytes::from_static(b"1")).await?;
    let mut writer = blobs.writer("upload").await?;
    writer.write(Bytes::from(content(100))).await?;
    s3.refuse(true);
    assert_fails(blobs.read("file").await, ErrorKind::Unavailable);
    assert_fails(blobs.check().await, ErrorKind::Unavailable);
    assert_fails(blobs.delete("file").await, ErrorKind::Unavailable);
    assert_fails(
        blobs.put("file", Bytes::new()).await,
        ErrorKind::Unavailable,
    );
    assert_fails(writer.finish().await, ErrorKind::Unavailable);
    assert_fails(
        blobs.writer("other").await.map(|_| ()),
        ErrorKind::Unavailable,
    );
    let error = blobs.read("file").await.expect_err("refused");
    assert!(
        !error.message.contains("AccessDenied"),
        "for the log only: {error}"
    );
    s3.refuse(false);
    assert_eq!(s3.keys(), ["file"]);
    Ok(())
}

#[tokio::test]
async fn a_storage_that_is_gone_is_told_while_someone_still_waits() -> Result<()> {
    let s3 = MockS3::start().await;
    let blobs = Blobs::open_with(&s3.url(""), s3.variables())?;
    blobs.check().await?;
    drop(s3);
    let answer = tokio::time::timeout(Duration::from_secs(60), blobs.check()).await;
    assert_fails(answer.expect("within a minute"), ErrorKind::Unavailable);
    Ok(())
}

async fn a_list_tells_versions_apart(home: Home) -> Result<()> {
    for number in 0..9 {
        home.put(&format!("docs/{number}.txt"), "text").await?;
    }
    home.put("보고서.txt", "one").await?;
    let listed = async || {
        let mut listed = home.blobs.list(100).await?;
        listed.sort_by(|one, other| one.path.cmp(&other.path));
        Result::Ok(listed)
    };
    let before = listed().await?;
    assert_eq!(before.len(), 10);
    let report = before
        .iter()
        .find(|object| !object.path.starts_with("docs/"));
    let report = &report.expect("it is listed").path;
    let read = home.blobs.read_listed(report, 3).await?;
    assert_eq!(read.as_deref(), Some(&b"one"[..]), "{report}");
    assert_fails(
        home.blobs.read_listed(report, 2).await,
        ErrorKind::Unprocessable,
    );
    assert_eq!(home.blobs.read_listed("docs/none.txt", 9).await?, None);
    assert_eq!(home.blobs.read_listed("docs/../x", 9).await?, None);
    assert_eq!(listed().await?, before, "nothing changed");
    home.put("docs/3.txt", "another text").await?;
    let after = listed().await?;
    let changed = before
        .iter()
        .zip(&after)
        .filter(|(one, other)| one != other);
    let changed: Vec<&str> = changed.map(|(one, _)| one.path.as_str()).collect();
    assert_eq!(changed, ["docs/3.txt"]);
    assert_eq!(home.blobs.list(4).await?.len(), 4);
    Ok(())
}
