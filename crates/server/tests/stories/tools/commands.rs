//! MCP servers that are commands of this machine: a script of the shell's, which goes wrong as it is asked to.

use std::time::Duration;

use okra_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};

use super::{calls, choose, last, results};
use crate::support::{Bot, OUR_KEY, Stage, TestApp, list, said, text};

stories! {
    a_commands_tools_are_called,
    a_commands_tool_waits_for_the_visitor_unless_it_is_said_otherwise,
    a_command_sees_nothing_of_okras,
    a_command_that_goes_wrong_fails_one_call,
    a_command_that_is_not_used_is_ended,
    only_allowed_commands_are_run,
    a_command_that_is_allowed_no_more_is_not_run,
    a_command_that_cannot_be_spoken_to_is_not_stored,
    each_organization_has_a_process_of_its_own,
}

/// The table of commands that the operator allows: `shell`, `broken` and `mute`.
fn allowed() -> String {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/stories/tools/commands.sh"
    );
    let command = |name: &str| {
        format!(
            "{name} = {{ run = [\"/bin/sh\", {script:?}, \"{name}\"], env = {{ SHOP_TOKEN = \"for-the-shop\" }} }}"
        )
    };
    let commands = ["shell", "broken", "mute"].map(command);
    format!("{{ {} }}", commands.join(", "))
}

async fn opened(stage: Stage, seconds: &str) -> (MockProvider, TestApp, Bot) {
    let provider = MockProvider::start().await;
    let (url, allowed) = (provider.base_url(), allowed());
    let settings = [
        ("OPENAI_BASE_URL", url.as_str()),
        ("OPENAI_API_KEY", "sk-of-the-operator"),
        ("OKRA_TOOL_COMMANDS", allowed.as_str()),
        ("OKRA_MAX_TOOL_SECONDS", seconds),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Kettles").await;
    bot.add(json!({"type": "text", "title": "Kettle", "content": "The kettle is made of steel."}))
        .await;
    app.work().await;
    (provider, app, bot)
}

/// The server `shop`, whose tools are called without asking.
async fn set(app: &TestApp) -> Value {
    let unconfirmed = ["greet", "environment", "crash", "hang", "flood", "refuse"];
    let server = json!({"command": "shell", "unconfirmed": unconfirmed});
    let set = app
        .client
        .json("PUT", "/tool-servers/shop", server.to_string());
    set.await.expect(200)["data"].clone()
}

/// What comes of these tools' being called at once: what the model is told of each.
async fn called(provider: &MockProvider, bot: &Bot, tools: &[&str]) -> Vec<String> {
    let names: Vec<String> = tools.iter().map(|tool| format!("shop_{tool}")).collect();
    let made: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "{}")).collect();
    provider.reply(calls(&made));
    provider.reply(Script::text("Well."));
    let reply = bot.ask("Hello?").await;
    assert_eq!(reply["message"]["content"], "Well.");
    results(&last(provider))
}

/// Who greeted: the number of its process.
fn greeter(greeting: &str) -> &str {
    let who = greeting.split_once("hello from ").expect(greeting).1;
    who.split(',').next().expect("a number")
}

async fn a_commands_tools_are_called(stage: Stage) {
    let (provider, app, bot) = opened(stage, "15").await;
    let listed = app.client.get("/tool-servers").await.expect(200);
    assert_eq!(
        listed,
        json!({"data": [], "commands": ["broken", "mute", "shell"]})
    );
    let server = set(&app).await;
    assert_eq!(
        (&server["url"], &server["command"]),
        (&Value::Null, &json!("shell"))
    );
    let ids: Vec<&str> = list(&server["tools"])
        .iter()
        .map(|tool| text(&tool["id"]))
        .collect();
    assert_eq!(ids[0], "shop/greet");
    assert_eq!(
        list(&app.client.get("/tool-servers").await.expect(200)["data"])[0],
        server
    );
    choose(&bot, &["shop/greet", "shop/refuse"]).await;
    provider.reply(calls(&[("shop_greet", "{}"), ("shop_refuse", "{}")]));
    provider.reply(Script::text("Hello."));
    let reply = bot.ask("Hello?").await;
    let told = results(&last(&provider));
    assert!(
        told[0].starts_with("<result-") && told[0].contains("of shell"),
        "{told:?}"
    );
    assert!(told[1].contains("I will not."), "{told:?}");
    let mut outcomes: Vec<bool> = list(&reply["message"]["tool_results"])
        .iter()
        .map(|it| it["failed"] == true)
        .collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [false, true]);
    // The process stays, and is not started for each call.
    let first = greeter(&told[0]).to_owned();
    let again = called(&provider, &bot, &["greet"]).await;
    assert_eq!(greeter(&again[0]), first);
    // Those that come together share it too.
    let both = called(&provider, &bot, &["greet", "greet"]).await;
    assert!(both.iter().all(|it| greeter(it) == first), "{both:?}");
}

async fn a_commands_tool_waits_for_the_visitor_unless_it_is_said_otherwise(stage: Stage) {
    let (provider, app, bot) = opened(stage, "15").await;
    let server = json!({"command": "shell"}).to_string();
    let set = app.client.json("PUT", "/tool-servers/shop", server);
    set.await.expect(200);
    choose(&bot, &["shop/greet"]).await;
    provider.reply(calls(&[("shop_greet", "{}")]));
    provider.reply(Script::text("Shall I?"));
    let reply = bot.ask("Hello?").await;
    let call = &reply["message"]["tool_calls"][0];
    assert_eq!(call["state"], "awaiting_confirmation");
    provider.reply(Script::text("It greets you."));
    let mut yes = said("Yes");
    yes["session_id"] = reply["session_id"].clone();
    yes["confirm"] = json!({"message_id": reply["message"]["id"], "call_id": call["id"]});
    let reply = bot.chat(yes).await.expect(200);
    let result = &reply["message"]["tool_results"][0];
    assert!(text(&result["content"]).contains("call 1"), "{result}");
}

async fn a_command_sees_nothing_of_okras(stage: Stage) {
    let (provider, app, bot) = opened(stage, "15").await;
    set(&app).await;
    choose(&bot, &["shop/environment"]).await;
    let told = called(&provider, &bot, &["environment"]).await;
    let variables = told[0]
        .split_whitespace()
        .filter_map(|it| it.split_once('='));
    let mut names: Vec<&str> = variables.map(|(name, _)| name).collect();
    // What a shell adds itself.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    let known = ["HOME", "LANG", "PATH", "SHOP_TOKEN"];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert!(
        told[0].contains("SHOP_TOKEN=for-the-shop") && told[0].contains("PATH="),
        "{told:?}"
    );
    let master_key = std::fs::read_to_string(app.config.data_dir.join("master.key"));
    let master_key = master_key.expect("the key that was made at the start");
    let secrets = [
        master_key.trim(),
        app.config.database_url.as_str(),
        app.config.storage_url.as_str(),
        "sk-of-the-operator",
        OUR_KEY,
    ];
    for secret in secrets {
        assert!(!told[0].contains(secret), "{told:?}");
    }
}

async fn a_command_that_goes_wrong_fails_one_call(stage: Stage) {
    let (provider, app, bot) = opened(stage, "5").await;
    set(&app).await;
    choose(
        &bot,
        &["shop/greet", "shop/crash", "shop/flood", "shop/hang"],
    )
    .await;
    let mut before = greeter(&called(&provider, &bot, &["greet"]).await[0]).to_owned();
    for (tool, expected) in [
        ("crash", "its program ended before it answered"),
        ("flood", "wrote more than it may"),
        ("hang", "did not answer within 5 seconds"),
    ] {
        let failed = called(&provider, &bot, &[tool]).await;
        assert!(failed[0].contains(expected), "{failed:?}");
        // The next call starts it anew.
        let after = called(&provider, &bot, &["greet"]).await;
        assert_ne!(greeter(&after[0]), before, "{tool}");
        assert!(after[0].contains("call 1"), "{after:?}");
        before = greeter(&after[0]).to_owned();
    }
    // One that waits in vain leaves those beside it alone.
    let both = called(&provider, &bot, &["hang", "greet"]).await;
    assert!(
        both[0].contains("did not answer") && both[1].contains("hello"),
        "{both:?}"
    );
}

async fn a_command_that_is_not_used_is_ended(stage: Stage) {
    let (provider, app, bot) = opened(stage, "15").await;
    set(&app).await;
    choose(&bot, &["shop/greet"]).await;
    let first = called(&provider, &bot, &["greet"]).await;
    app.clock.advance(Duration::from_secs(4 * 60));
    app.engine.end_unused_commands();
    let second = called(&provider, &bot, &["greet"]).await;
    assert_eq!(greeter(&first[0]), greeter(&second[0]));
    app.clock.advance(Duration::from_secs(5 * 60));
    app.engine.end_unused_commands();
    gone(greeter(&second[0])).await;
    let third = called(&provider, &bot, &["greet"]).await;
    assert_ne!(greeter(&second[0]), greeter(&third[0]));
    // Neither does it outlive the server.
    app.engine.shut_down(Duration::from_secs(10)).await;
    gone(greeter(&third[0])).await;
}

/// Waits until this process has ended, which happens behind the call that kills it; fails after ten seconds.
async fn gone(process: &str) {
    let number = process.parse().expect("a number");
    let process = rustix::process::Pid::from_raw(number).expect("a process's number");
    let ended = async {
        while rustix::process::test_kill_process(process).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
    assert!(ended.is_ok(), "{number} still runs");
}

async fn only_allowed_commands_are_run(stage: Stage) {
    let (_, app, _) = opened(stage, "15").await;
    let put = async |server: Value| {
        let server = server.to_string();
        app.client.json("PUT", "/tool-servers/shop", server).await
    };
    for (server, field) in [
        (json!({"command": "/bin/sh"}), "command"),
        (json!({"command": "shell -c id"}), "command"),
        (json!({"command": ""}), "command"),
        (
            json!({"command": "shell", "url": "https://tools.example/mcp"}),
            "command",
        ),
        (json!({"url": "command:shell"}), "url"),
        (
            json!({"command": "shell", "headers": {"x-key": "k"}}),
            "headers",
        ),
        (json!({}), "url"),
    ] {
        put(server).await.refused(400, "invalid_request", field);
    }
    let refused = put(json!({"command": "crm"})).await.expect(400);
    let problem = text(&refused["details"][0]["problem"]);
    assert!(
        problem.contains("broken, mute, shell") && problem.contains("tool_commands"),
        "{refused}"
    );
    // Nothing of theirs is set with it.
    let more = json!({"command": "shell", "args": ["-c", "id"], "env": {"PATH": "/tmp"}});
    put(more).await;
    let servers = app.client.get("/tool-servers").await.expect(200);
    assert!(!servers.to_string().contains("/tmp"), "{servers}");
}

async fn a_command_that_is_allowed_no_more_is_not_run(stage: Stage) {
    let (provider, mut app, bot) = opened(stage, "15").await;
    set(&app).await;
    choose(&bot, &["shop/greet"]).await;
    let id = bot.id;
    app.config.tool_commands.clear();
    let app = app.killed_and_started().await;
    let client = app.client.clone();
    let bot = Bot { client, id };
    let told = called(&provider, &bot, &["greet"]).await;
    assert!(
        told[0].contains("is no command that is allowed"),
        "{told:?}"
    );
    let servers = app.client.get("/tool-servers").await.expect(200);
    assert_eq!(servers["commands"], json!([]));
    assert_eq!(servers["data"][0]["command"], "shell");
    let again = json!({"command": "shell"}).to_string();
    let again = app.client.json("PUT", "/tool-servers/shop", again).await;
    again.refused(400, "invalid_request", "command");
}

async fn a_command_that_cannot_be_spoken_to_is_not_stored(stage: Stage) {
    let (_, app, _) = opened(stage, "5").await;
    for (command, expected) in [
        ("broken", "could not be spoken to"),
        ("mute", "within 5 seconds"),
    ] {
        let server = json!({"command": command}).to_string();
        let set = app.client.json("PUT", "/tool-servers/shop", server).await;
        set.refused(502, "provider_failed", "");
        let error = set.json();
        assert!(text(&error["error"]).contains(expected), "{error}");
    }
    let servers = app.client.get("/tool-servers").await.expect(200);
    assert_eq!(servers["data"], json!([]));
}

async fn each_organization_has_a_process_of_its_own(stage: Stage) {
    let (provider, app, ours) = opened(stage, "15").await;
    set(&app).await;
    choose(&ours, &["shop/greet"]).await;
    let theirs = app.stranger.get("/tool-servers").await.expect(200);
    assert_eq!(theirs["data"], json!([]));
    // They may run the same command, and do so apart.
    let server = json!({"command": "shell", "unconfirmed": ["greet"]}).to_string();
    let set = app.stranger.json("PUT", "/tool-servers/shop", server);
    set.await.expect(200);
    let made = app
        .stranger
        .post("/chatbots", json!({"name": "Theirs"}))
        .await;
    let id = made.expect(200)["chatbot"]["id"].clone();
    let theirs = Bot {
        client: app.stranger.clone(),
        id: text(&id).to_owned(),
    };
    theirs
        .add(json!({"type": "text", "title": "Tea", "content": "Tea is green."}))
        .await;
    app.work().await;
    choose(&theirs, &["shop/greet"]).await;
    let at_ours = called(&provider, &ours, &["greet"]).await;
    let at_theirs = called(&provider, &theirs, &["greet"]).await;
    assert_ne!(greeter(&at_ours[0]), greeter(&at_theirs[0]));
    assert!(at_theirs[0].contains("call 1"), "{at_theirs:?}");
}
