//! Pictures: what is taken, what is refused, how they are served and how they go.

use axum::body::Body;
use axum::http::Request;
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

use crate::support::{Answer, Bot, File, Form, Stage, TestApp, text};

stories! {
    pictures_of_every_format_are_served_small_and_for_good,
    what_is_no_picture_is_refused,
    the_old_picture_goes,
}

/// A picture of 700×350 pixels, half of it transparent.
fn picture(format: ImageFormat) -> Vec<u8> {
    let alpha = |x| if x < 350 { 0 } else { 255 };
    let image = RgbaImage::from_fn(700, 350, |x, y| {
        Rgba([(x % 256) as u8, (y % 256) as u8, 90, alpha(x)])
    });
    let image = DynamicImage::ImageRgba8(image);
    let image = match format {
        ImageFormat::Jpeg => DynamicImage::ImageRgb8(image.to_rgb8()),
        _ => image,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("a picture");
    bytes.into_inner()
}

async fn set(bot: &Bot, name: &str, bytes: Vec<u8>) -> Answer {
    let form = Form::new()
        .field("note", "x")
        .file("avatar", File::new(name, bytes));
    bot.client
        .form("PATCH", &bot.path("/update-avatar"), form)
        .await
}

async fn fetch(app: &TestApp, address: &str) -> Answer {
    let path = address
        .strip_prefix("https://chat.example.com")
        .expect("under the public URL");
    let request = Request::get(path).body(Body::empty()).expect("a request");
    app.nobody().send(request).await
}

async fn pictures_of_every_format_are_served_small_and_for_good(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ] {
        // The name says nothing: what counts is the content.
        let answer = set(&bot, "picture.jpg", picture(format)).await.expect(200);
        assert_eq!(answer["message"], "Avatar updated successfully");
        let address = text(&answer["chatbot"]["settings"]["avatar"]);
        assert_eq!(bot.show().await, answer["chatbot"]);
        let served = fetch(&app, address).await;
        assert_eq!(served.status, 200);
        assert_eq!(
            served.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(served.header("x-content-type-options"), "nosniff");
        assert!(served.header("content-security-policy").contains("sandbox"));
        let opaque = format == ImageFormat::Jpeg;
        let (kind, extension) = if opaque {
            ("image/jpeg", ".jpg")
        } else {
            ("image/png", ".png")
        };
        assert_eq!(served.header("content-type"), kind, "{format:?}");
        assert!(address.ends_with(extension), "{address}");
        let shown = image::load_from_memory(&served.body).expect("a picture");
        assert_eq!((shown.width(), shown.height()), (512, 256), "{format:?}");
        assert_eq!(
            shown.to_rgba8().get_pixel(5, 5).0[3] == 255,
            opaque,
            "{format:?}"
        );
    }
}

/// A PNG that claims this size and is whole, but for its missing pixels.
fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend_from_slice(&[8, 6, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [
        (b"IHDR", header),
        (b"IDAT", vec![0; 64]),
        (b"IEND", Vec::new()),
    ] {
        let length = u32::try_from(data.len()).expect("short");
        let body = [&name[..], &data].concat();
        png.extend_from_slice(&length.to_be_bytes());
        png.extend_from_slice(&body);
        png.extend_from_slice(&checksum(&body).to_be_bytes());
    }
    png
}

/// CRC-32 as PNG's annex D has it.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| match crc & 1 {
        1 => (crc >> 1) ^ 0xEDB8_8320,
        _ => crc >> 1,
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), step)
    })
}

async fn what_is_no_picture_is_refused(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec();
    let png = picture(ImageFormat::Png);
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let mut padded = png.clone();
    padded.resize(6 * 1024 * 1024, 0);
    for (name, bytes, status, code) in [
        ("text.png", b"just text".to_vec(), 415, "unsupported_type"),
        ("drawing.svg", svg.clone(), 415, "unsupported_type"),
        ("drawing.png", svg, 415, "unsupported_type"),
        (
            "page.gif",
            b"<html>GIF89a</html>".to_vec(),
            415,
            "unsupported_type",
        ),
        ("empty.png", Vec::new(), 415, "unsupported_type"),
        ("cut.png", cut(&png), 422, "unprocessable"),
        (
            "cut.jpg",
            cut(&picture(ImageFormat::Jpeg)),
            422,
            "unprocessable",
        ),
        (
            "cut.webp",
            cut(&picture(ImageFormat::WebP)),
            422,
            "unprocessable",
        ),
        ("signature.png", png[..8].to_vec(), 422, "unprocessable"),
        ("huge.png", png_of_size(30_000, 30_000), 413, "too_large"),
        ("wide.png", png_of_size(u32::MAX, 1), 413, "too_large"),
        ("heavy.png", padded, 413, "too_large"),
    ] {
        let answer = set(&bot, name, bytes).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        answer.refused(status, code, "");
    }
    let path = bot.path("/update-avatar");
    let wrong = Form::new().file("files", File::new("a.png", png.clone()));
    bot.client
        .form("PATCH", &path, wrong)
        .await
        .refused(400, "invalid_request", "avatar");
    let json = bot.client.json("PATCH", &path, "{}").await;
    json.refused(415, "unsupported_type", "");
    assert!(bot.show().await["settings"].get("avatar").is_none());
    app.stored_files(0).await;

    // What is below the limit is taken, and what hides behind the picture's end is not.
    let mut heavy = png;
    heavy.extend_from_slice(&b"<script>alert(1)</script>".repeat(150_000));
    let taken = set(&bot, "heavy.png", heavy).await.expect(200);
    let served = fetch(&app, text(&taken["chatbot"]["settings"]["avatar"])).await;
    assert!(served.body.len() < 1_000_000);
    assert!(!served.body.windows(7).any(|window| window == b"<script"));
}

async fn the_old_picture_goes(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let address = async || {
        let answer = set(&bot, "a.png", picture(ImageFormat::Png))
            .await
            .expect(200);
        text(&answer["chatbot"]["settings"]["avatar"]).to_owned()
    };
    let (first, second) = (address().await, address().await);
    assert_ne!(first, second);
    app.work().await;
    fetch(&app, &first).await.refused(404, "not_found", "");
    assert_eq!(fetch(&app, &second).await.status, 200);
    bot.client.delete(&bot.path("")).await.expect(200);
    app.work().await;
    fetch(&app, &second).await.refused(404, "not_found", "");
    app.stored_files(0).await;
    for path in ["x/y.png", "../../okra.db", "..%2F..%2Fokra.db", "a/b/c.png"] {
        let odd = format!("https://chat.example.com/files/chatbot/{path}");
        fetch(&app, &odd).await.refused(404, "not_found", "");
    }
}
