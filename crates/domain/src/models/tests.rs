//! What models' names mean, and what can be set of providers.

use super::*;

fn provider(name: &str, kind: ProviderKind, base_url: &str) -> NamedProvider {
    NamedProvider {
        name: name.to_owned(),
        kind,
        endpoint: Provider {
            base_url: base_url.to_owned(),
            api_key: None,
        },
        api_version: None,
    }
}

fn vendor(kind: ProviderKind) -> NamedProvider {
    let url = kind.default_url().unwrap_or("https://kim.openai.azure.com");
    provider(kind.as_str(), kind, url)
}

/// `provider model`, with `+` where the chatbot's own key goes along; `-` for nobody.
fn meant(name: &str, own: bool, ours: &[NamedProvider], servers: &[NamedProvider]) -> String {
    let key = own.then(|| Secret::new("sk-own"));
    match choose(name, key.as_ref(), ours, servers) {
        Ok(Some(choice)) => {
            let name = choice.place.provider().map_or("OpenAI", |it| &it.name);
            let own = if choice.with_own_key { "+" } else { "" };
            format!("{name} {}{own}", choice.model)
        }
        Ok(None) => "-".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_name_is_its_providers_or_the_defaults() {
    use ProviderKind::{Anthropic, Gemini, Ollama, OpenAi};
    let servers = [OpenAi, Anthropic, Gemini, Ollama].map(vendor);
    let ours = [provider("office", OpenAi, "http://vllm.example.com/v1")];
    let check = |name: &str, ours: &[NamedProvider], expected: &str| {
        assert_eq!(meant(name, false, ours, &servers), expected, "{name}");
    };
    check("gpt-4o-mini", &[], "openai gpt-4o-mini");
    check("openai/gpt-4o", &[], "openai gpt-4o");
    check(
        "anthropic/claude-sonnet-4-5",
        &[],
        "anthropic claude-sonnet-4-5",
    );
    check("gemini/gemini-2.5-flash", &ours, "gemini gemini-2.5-flash");
    check(
        "ollama/hf.co/kim/model:Q4",
        &[],
        "ollama hf.co/kim/model:Q4",
    );
    // The organization's first provider is the default, and a server of its own knows any name.
    check("qwen3", &ours, "office qwen3");
    check("office/qwen3", &ours, "office qwen3");
    check(
        "meta-llama/Llama-3.1-8B",
        &ours,
        "office meta-llama/Llama-3.1-8B",
    );
    // An organization's provider comes before the server's of the same name.
    let shadow = [
        vendor(Gemini),
        provider("openai", OpenAi, "http://a.example.com"),
    ];
    let choice = choose("openai/x", None, &shadow, &servers).expect("known");
    assert_eq!(choice.expect("set").place, Place::Organization(&shadow[1]));
}

#[test]
fn a_router_gets_names_with_slashes_whole() {
    let router = [provider(
        "openrouter.ai",
        ProviderKind::OpenAi,
        "https://openrouter.ai/api/v1",
    )];
    for name in [
        "anthropic/claude-sonnet-4",
        "openai/gpt-4o",
        "mistralai/mixtral",
    ] {
        let expected = format!("openrouter.ai {name}");
        assert_eq!(meant(name, false, &[], &router), expected);
        assert_eq!(meant(name, true, &[], &router), format!("{expected}+"));
    }
    let named = meant("openrouter.ai/openai/gpt-4o", false, &[], &router);
    assert_eq!(named, "openrouter.ai openai/gpt-4o");
}

#[test]
fn the_chatbots_own_key_is_for_openais_api_alone() {
    use ProviderKind::{Anthropic, OpenAi};
    let check = |name: &str, servers: &[NamedProvider], expected: &str| {
        assert_eq!(meant(name, true, &[], servers), expected, "{name}");
    };
    check("gpt-4o", &[], "OpenAI gpt-4o+");
    check("openai/gpt-4o", &[], "OpenAI gpt-4o+");
    check("gpt-4o", &[vendor(OpenAi)], "openai gpt-4o+");
    check("gpt-4o", &[vendor(Anthropic)], "OpenAI gpt-4o+");
    check(
        "anthropic/claude-3",
        &[vendor(Anthropic)],
        "anthropic claude-3",
    );
}

#[test]
fn a_name_that_means_no_model_says_what_to_do() {
    use ProviderKind::{Anthropic, OpenAi};
    assert_eq!(meant("gpt-4o-mini", false, &[], &[]), "-");
    assert_eq!(meant("meta-llama/Llama", false, &[], &[]), "-");
    let check = |name: &str, servers: &[NamedProvider], words: [&str; 2]| {
        let said = meant(name, false, &[], servers);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    check(
        "anthropic/claude-3",
        &[],
        ["providers/anthropic", "ANTHROPIC_API_KEY"],
    );
    let vendors = [OpenAi, Anthropic].map(vendor);
    check(
        "azure/gpt",
        &vendors,
        ["providers/azure", "AZURE_OPENAI_ENDPOINT"],
    );
    check(
        "antropic/claude-3",
        &vendors,
        ["\"antropic\"", "openai, anthropic"],
    );
    check(
        "gpt-4o-mini",
        &[vendor(Anthropic)],
        ["gpt-4o-mini", "anthropic"],
    );
    let own = meant("antropic/claude-3", true, &[], &[]);
    assert!(own.contains("OpenAI, by the chatbot's own key"), "{own}");
}

#[test]
fn what_is_set_of_a_provider_is_checked() {
    let change = |kind, base_url: &str, key: Option<&str>| NamedProviderChange {
        kind,
        endpoint: ProviderChange {
            base_url: Some(base_url.to_owned()),
            api_key: key.map(|key| Some(Secret::new(key))),
        },
        api_version: None,
    };
    let claude = change(ProviderKind::Anthropic, " ", Some("sk-ant-1234567890"));
    let claude = NamedProvider::changed(None, "anthropic", claude).expect("valid");
    assert_eq!(claude.endpoint.base_url, "https://api.anthropic.com/v1");
    // The key stays with the address, and does not change its API.
    let again = change(ProviderKind::Anthropic, "", None);
    let again = NamedProvider::changed(Some(&claude), "anthropic", again);
    assert_eq!(again.expect("valid"), claude);
    let other = change(ProviderKind::OpenAi, "https://api.anthropic.com/v1", None);
    let other = NamedProvider::changed(Some(&claude), "anthropic", other).expect("valid");
    assert_eq!(other.endpoint.api_key, None);
    let refused = |name: &str, change, field: &str| {
        let error = NamedProvider::changed(None, name, change).expect_err("a rule");
        assert_eq!(error.details[0].field, field);
    };
    let openai = || change(ProviderKind::OpenAi, "", None);
    for name in ["", "Office", "our vllm", "a/b", "-a", &"a".repeat(41)] {
        refused(name, openai(), "name");
    }
    refused("azure", change(ProviderKind::Azure, "", None), "base_url");
    let odd = NamedProviderChange {
        api_version: Some("2024&x=1".to_owned()),
        ..change(ProviderKind::Azure, "https://kim.openai.azure.com", None)
    };
    refused("azure", odd, "api_version");
    assert!("openia".parse::<ProviderKind>().is_err());
}

#[test]
fn a_day_has_an_end_and_the_next_begins_anew() {
    let noon = Timestamp::parse("2025-01-22T12:00:00Z").expect("a moment");
    let used = TokensUsed {
        day: noon.day_number(),
        tokens: 900,
    };
    assert_eq!(
        (used.left_of(1_000, noon), used.left_of(500, noon)),
        (100, 0)
    );
    let tomorrow = Timestamp::parse("2025-01-23T00:00:00Z").expect("a moment");
    assert_eq!(used.left_of(1_000, tomorrow), 1_000);
    let set = |fallback: &str, tokens| {
        let change = ModelSettingsChange {
            fallback_model: Some(Some(fallback.to_owned())),
            tokens_a_day: Some(tokens),
        };
        ModelSettings::default().changed(change)
    };
    let settings = set(" ollama/qwen3 ", Some(1)).expect("valid");
    assert_eq!(settings.fallback_model.as_deref(), Some("ollama/qwen3"));
    assert_eq!(set(" ", None).expect("valid"), ModelSettings::default());
    for (model, tokens, field) in [
        ("a\nb", None, "fallback_model"),
        ("a", Some(0), "tokens_a_day"),
        ("a", Some(MAX_TOKENS_A_DAY + 1), "tokens_a_day"),
    ] {
        assert_eq!(
            set(model, tokens).expect_err("a rule").details[0].field,
            field
        );
    }
}

#[test]
fn the_first_provider_is_the_default_and_there_are_not_too_many() {
    let mut settings = ModelSettings::default();
    let named = |name: &str| provider(name, ProviderKind::OpenAi, "http://a.example.com");
    for name in ["a", "b", "c"] {
        settings.put(named(name), false).expect("few");
    }
    let moved = provider("b", ProviderKind::Gemini, "http://b.example.com");
    settings.put(moved.clone(), true).expect("few");
    let names: Vec<&str> = settings
        .providers
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["b", "a", "c"]);
    assert_eq!(settings.provider("b"), Some(&moved));
    for count in 3..MAX_PROVIDERS {
        settings
            .put(named(&format!("p{count}")), false)
            .expect("few");
    }
    assert!(settings.put(named("one-more"), false).is_err());
    settings
        .put(named("p5"), false)
        .expect("it is there already");
}
