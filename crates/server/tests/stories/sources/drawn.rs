//! Pages that their scripts write, drawn by a real Chromium where this machine has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use okra_testkit::website::{MockSite, Page};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UdpSocket};

use super::{finished, sources};
use crate::support::{Bot, Stage, TestApp, text};

stories! {
    what_scripts_write_is_read,
    a_page_leads_the_browser_nowhere_inside,
    an_endless_page_is_ended_in_time,
    a_page_that_takes_memory_without_end_fails_alone,
    drawing_needs_a_browser,
}

/// The application with a browser that has so many seconds for a page, a chatbot and a site that both may read; `None`
/// where this machine has no Chromium.
async fn with_browser(stage: Stage, seconds: &str) -> Option<(TestApp, Bot, MockSite)> {
    let named = std::env::var("OKRA_TEST_CHROMIUM").ok();
    let usual = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    let usual = usual
        .iter()
        .find(|path| std::path::Path::new(path).exists());
    let Some(program) = named.or(usual.map(|path| (*path).to_owned())) else {
        eprintln!("skipped: there is no Chromium here (OKRA_TEST_CHROMIUM)");
        return None;
    };
    let site = MockSite::start().await;
    let allow = site.address().to_string();
    let settings = [
        ("OKRA_FETCH_ALLOW", allow.as_str()),
        ("OKRA_CHROMIUM", program.as_str()),
        // Tests run as root, and in containers that have no sandboxes.
        ("OKRA_CHROMIUM_SANDBOX", "false"),
        ("OKRA_CHROMIUM_TIMEOUT_SECONDS", seconds),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    Some((app, bot, site))
}

/// A page that is empty until this script has run.
fn scripted(script: &str) -> Page {
    let html = format!(
        "<html><head><title>Shop</title></head><body><main id=\"app\"></main><script>\
         const app = document.getElementById('app');{script}</script></body></html>"
    );
    let etag = format!("\"{}\"", html.len());
    Page::html(html).with_header("etag", &etag)
}

async fn add(bot: &Bot, site: &MockSite, render: bool) -> Value {
    let options = json!({"sitemap": false, "render": render});
    sources(bot).add_site(site, options).await
}

async fn what_scripts_write_is_read(stage: Stage) {
    let Some((app, bot, site)) = with_browser(stage, "60").await else {
        return;
    };
    site.put(
        "/",
        scripted(
            "fetch('/hours.json').then(it => it.json()).then(hours => setTimeout(() => {\
             app.innerHTML = `<h1>Hours</h1><p>The workshop opens at ${hours.opens}, 토요일에는 \
             쉽니다.</p><a href=\"/prices\">Prices</a>`; }, 3000));",
        ),
    );
    site.put(
        "/hours.json",
        Page::typed("application/json", "{\"opens\": \"nine\"}"),
    );
    site.put(
        "/prices",
        scripted("app.innerHTML = '<h1>Prices</h1><p>A kettle costs thirty euros.</p>';"),
    );
    // As it is sent, there is nothing to read.
    let plain = add(&bot, &site, false).await;
    app.work().await;
    assert!(sources(&bot).paths(&plain, "ready").await.is_empty());
    bot.client
        .delete(&bot.path(&format!("/sources/{}", text(&plain["id"]))))
        .await
        .expect(200);
    app.work().await;

    let source = add(&bot, &site, true).await;
    app.work().await;
    assert_eq!(
        sources(&bot).paths(&source, "ready").await,
        ["/", "/prices"]
    );
    let found = bot.found("When does the workshop open?").await;
    assert!(
        found.contains("at nine") && found.contains("토요일"),
        "{found}"
    );
    assert!(
        bot.found("What does a kettle cost?")
            .await
            .contains("thirty")
    );
    // What was sent as before is not drawn again.
    site.forget_requests();
    sources(&bot).sync(&source).await;
    app.work().await;
    assert_eq!(site.asked("/hours.json"), 0);
    let log = sources(&bot).log(&source).await;
    assert_eq!(log.last(), Some(&finished(0, 0, 2, 0, 0)));
    site.put(
        "/prices",
        scripted("app.innerHTML = '<h1>Prices</h1><p>A kettle costs forty euros now.</p>';"),
    );
    sources(&bot).sync(&source).await;
    app.work().await;
    assert!(
        bot.found("What does a kettle cost?")
            .await
            .contains("forty")
    );
}

/// Counts whoever comes to a TCP port of this machine, and the packets to the UDP port of its number.
struct Inside {
    port: u16,
    came: Arc<AtomicUsize>,
}

impl Inside {
    async fn start() -> Self {
        let came = Arc::new(AtomicUsize::new(0));
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = tcp.local_addr().expect("bound");
            if let Ok(udp) = UdpSocket::bind(address).await {
                break (tcp, udp);
            }
        };
        let port = tcp.local_addr().expect("bound").port();
        let counted = came.clone();
        tokio::spawn(async move {
            while tcp.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        let counted = came.clone();
        tokio::spawn(async move {
            let mut packet = [0; 2048];
            while udp.recv(&mut packet).await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, came }
    }
}

async fn a_page_leads_the_browser_nowhere_inside(stage: Stage) {
    let Some((app, bot, site)) = with_browser(stage, "60").await else {
        return;
    };
    let inside = Inside::start().await;
    let port = inside.port;
    site.put("/ours.txt", Page::typed("text/plain", "ours"));
    let script = "
        const said = [];
        const at = [`127.0.0.1:PORT`, `localhost:PORT`, `[::1]:PORT`, `2130706433:PORT`,
            `[::ffff:127.0.0.1]:PORT`, `169.254.169.254`, `10.0.0.1`];
        const tags = { iframe: 'src', img: 'src', script: 'src', video: 'src', embed: 'src' };
        for (const host of at) {
            for (const [tag, name] of Object.entries(tags)) {
                const element = document.createElement(tag);
                element[name] = `http://${host}/${tag}`;
                document.head.append(element);
            }
            for (const rel of ['stylesheet', 'prefetch', 'preconnect', 'dns-prefetch', 'manifest']) {
                const link = document.createElement('link');
                Object.assign(link, { rel, href: `http://${host}/${rel}` });
                document.head.append(link);
            }
            try { new WebSocket(`ws://${host}/ws`); } catch { }
            try { new EventSource(`http://${host}/events`); } catch { }
            try { new WebTransport(`https://${host}/quic`); } catch { }
            try { navigator.sendBeacon(`http://${host}/beacon`, 'x'); } catch { }
            try {
                const peer = new RTCPeerConnection({ iceServers: [{ urls: `stun:${host}` },
                    { urls: `turn:${host}?transport=tcp`, username: 'x', credential: 'x' }] });
                peer.createDataChannel('x');
                peer.createOffer().then(offer => peer.setLocalDescription(offer));
            } catch { }
        }
        const tried = at.flatMap(host => ['http', 'https'].map(scheme =>
            fetch(`${scheme}://${host}/fetch`, { mode: 'no-cors' })
                .then(answer => said.push(`reached ${host} ${answer.type}`), () => { })));
        for (const url of ['file:///etc/passwd', 'ftp://127.0.0.1:PORT/'])
            tried.push(fetch(url).then(() => said.push(`reached ${url}`), () => { }));
        const ours = fetch('/ours.txt').then(answer => answer.text());
        Promise.all([ours, ...tried]).then(([ours]) => setTimeout(() => {
            app.innerHTML = `<h1>Report</h1><p>All doors were tried, and ${ours} opened. ${said}</p>`;
        }, 2000));";
    site.put("/", scripted(&script.replace("PORT", &port.to_string())));
    let source = add(&bot, &site, true).await;
    app.work().await;
    assert_eq!(sources(&bot).paths(&source, "ready").await, ["/"]);
    let found = bot.found("Which doors were tried?").await;
    assert!(found.contains("ours opened"), "{found}");
    // A proxy that refuses has answered, as far as a page can see of another site; of what is no such
    // answer, nothing.
    assert!(
        !found.contains("file:") && !found.contains("ftp:"),
        "{found}"
    );
    assert_eq!(
        inside.came.load(Ordering::SeqCst),
        0,
        "something came inside"
    );
    // Nor by a page that leads elsewhere once it is drawn.
    let leading = format!("location.href = 'http://127.0.0.1:{port}/';");
    site.put("/", scripted(&leading));
    sources(&bot).sync(&source).await;
    app.work().await;
    assert_eq!(
        inside.came.load(Ordering::SeqCst),
        0,
        "something came inside"
    );
}

async fn an_endless_page_is_ended_in_time(stage: Stage) {
    let Some((app, bot, site)) = with_browser(stage, "20").await else {
        return;
    };
    site.put(
        "/",
        scripted(
            "app.innerHTML = '<h1>Start</h1><p>Three pages do not end.</p><a href=\"/busy\">1</a>\
             <a href=\"/loading\">2</a><a href=\"/growing\">3</a>';",
        ),
    );
    site.put("/busy", scripted("for (;;) {}"));
    site.put("/never.png", Page::then_nothing(""));
    site.put(
        "/loading",
        scripted(
            "app.innerHTML = '<h1>Loading</h1><p>A picture of the cellar never comes.</p>\
             <img src=\"/never.png\">';",
        ),
    );
    site.put(
        "/growing",
        scripted(
            "app.innerHTML = '<h1>Growing</h1><p>The list of barrels has no end.</p>';\
             setInterval(() => app.append(document.createElement('i')), 5);",
        ),
    );
    let source = add(&bot, &site, true).await;
    app.work().await;
    let busy = sources(&bot).page(&source, "/busy").await;
    assert_eq!(busy["state"], "failed", "{busy}");
    assert!(
        text(&busy["reason"]).contains("more than 20 seconds"),
        "{busy}"
    );
    assert!(
        bot.found("Which list has no end?")
            .await
            .contains("barrels")
    );
    let loading = sources(&bot).page(&source, "/loading").await;
    assert!(
        ["ready", "failed"].contains(&text(&loading["state"])),
        "{loading}"
    );
    assert_eq!(sources(&bot).show(&source).await["state"], "ready");
}

async fn a_page_that_takes_memory_without_end_fails_alone(stage: Stage) {
    let Some((app, bot, site)) = with_browser(stage, "30").await else {
        return;
    };
    site.put(
        "/",
        scripted(
            "app.innerHTML = '<h1>Start</h1><p>Two pages want too much.</p><a href=\"/buffers\">1</a>\
             <a href=\"/objects\">2</a>';",
        ),
    );
    // It tells how far it came: 64 MB of the 1,024 that a process has at a time.
    site.put(
        "/buffers",
        scripted(
            "const kept = []; let taken = 0; app.innerHTML = '<h1>Buffers</h1><p>nothing</p>';\
             (function more() { try { kept.push(new Uint8Array(64 << 20).fill(1)); taken += 64; } \
             catch { return; } app.innerHTML = `<h1>Buffers</h1><p>The scullery took ${taken} pails of \
             water.</p>`; setTimeout(more, 0); })();",
        ),
    );
    site.put(
        "/objects",
        scripted(
            "const kept = []; app.innerHTML = '<h1>Objects</h1><p>The pantry is full.</p>';\
             setInterval(() => { for (let i = 0; i < 200000; i++) kept.push({ i, o: [Math.random()] }); }, 0);",
        ),
    );
    let source = add(&bot, &site, true).await;
    app.work().await;
    // Refused more, it goes on, and is drawn; without an end it would take all until its time is over.
    let page = sources(&bot).page(&source, "/buffers").await;
    assert_eq!(page["state"], "ready", "{page}");
    let found = bot.found("How many pails did the scullery take?").await;
    let (_, rest) = found.split_once("took ").expect("the sentence");
    let taken = rest.split(' ').next().and_then(|word| word.parse().ok());
    let taken: usize = taken.expect("a number");
    assert!((64..1024).contains(&taken), "{found}");
    let page = sources(&bot).page(&source, "/objects").await;
    assert!(
        ["ready", "failed"].contains(&text(&page["state"])),
        "{page}"
    );
    assert_eq!(sources(&bot).show(&source).await["state"], "ready");
    assert!(
        bot.found("Which pages want too much?")
            .await
            .contains("Two pages")
    );
}

async fn drawing_needs_a_browser(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let source = json!({"type": "site", "address": "https://shop.example.com/",
                        "options": {"render": true}});
    let refused = bot.client.post(&bot.path("/sources"), source).await;
    refused.refused(400, "invalid_request", "options.render");
    let said = text(&refused.json()["error"]).to_owned();
    assert!(said.contains("OKRA_CHROMIUM"), "{said}");
}
