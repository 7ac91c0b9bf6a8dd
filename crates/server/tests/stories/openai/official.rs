//! OpenAI's own Python package against a server that listens. Needs a Python that has it, which
//! `OKRA_TEST_PYTHON` names; `cargo xtask test` makes one.

use image::ImageFormat;
use okra_testkit::provider::Script;
use serde_json::json;
use tokio::process::Command;

use crate::support::{OUR_KEY, Stage, picture, with_model};

stories! {
    openais_own_package_is_served,
}

const SCRIPT: &str = include_str!("official.py");

async fn openais_own_package_is_served(stage: Stage) {
    let Some(python) = std::env::var_os("OKRA_TEST_PYTHON") else {
        eprintln!("skipped: OKRA_TEST_PYTHON names no Python with the package openai");
        return;
    };
    let (provider, app, _, bot) = with_model(stage, &[]).await;
    let settings = json!({"settings": {"model": "gpt-4o-mini"}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
    for _ in 0..3 {
        provider.reply(Script::text("찬물로 헹구세요 🫖 [1]"));
    }
    provider.reply(Script::text("찬물로 헹구세요 🫖"));
    provider.reply(Script::error(400, "Out of tea."));
    let served = app.serve().await;
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("image.png");
    std::fs::write(&image, picture(ImageFormat::Png)).expect("written");
    let url = served.url.replace("/api/external", "/v1");
    let output = Command::new(python)
        .args(["-c", SCRIPT, &url, OUR_KEY])
        .arg(&image)
        // Nothing of the machine's own may stand between the two.
        .env_remove("OPENAI_API_KEY")
        .env("NO_PROXY", "*")
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.expect("OKRA_TEST_PYTHON can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert_eq!(said.trim(), "all is well");
    // Five questions of the script's reached the model: none was asked twice.
    assert_eq!(provider.requests().len(), 5);
}
