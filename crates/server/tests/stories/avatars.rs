//! Pictures: what is taken, what is refused, how they are served and how they go.

use image::ImageFormat;

use crate::support::{Answer, Bot, File, Form, Stage, no_pictures, picture, text};

stories! {
    pictures_of_every_format_are_served_small_and_for_good,
    what_is_no_picture_is_refused,
    the_old_picture_goes,
}

async fn set(bot: &Bot, name: &str, bytes: Vec<u8>) -> Answer {
    let form = Form::new()
        .field("note", "x")
        .file("avatar", File::new(name, bytes));
    bot.client
        .form("PATCH", &bot.path("/update-avatar"), form)
        .await
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
        let served = app.fetch(address).await;
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

async fn what_is_no_picture_is_refused(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let png = picture(ImageFormat::Png);
    for (name, bytes, status, code) in no_pictures() {
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
    let served = app
        .fetch(text(&taken["chatbot"]["settings"]["avatar"]))
        .await;
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
    app.fetch(&first).await.refused(404, "not_found", "");
    assert_eq!(app.fetch(&second).await.status, 200);
    bot.client.delete(&bot.path("")).await.expect(200);
    app.work().await;
    app.fetch(&second).await.refused(404, "not_found", "");
    app.stored_files(0).await;
    for path in ["x/y.png", "../../okra.db", "..%2F..%2Fokra.db", "a/b/c.png"] {
        let odd = format!("https://chat.example.com/files/chatbot/{path}");
        app.fetch(&odd).await.refused(404, "not_found", "");
    }
}
