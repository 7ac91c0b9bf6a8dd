//! What is read of each level, and what is refused.

use super::*;

fn load(variables: &[(&str, &str)]) -> Result<Config> {
    Config::load(&Flags::default(), |name| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn the_defaults_need_nothing_else() {
    let config = load(&[]).expect("the defaults are valid");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert!(config.database_url.starts_with("sqlite:/"));
    assert!(config.storage_url.starts_with("file:///"));
    assert!(config.providers.is_empty());
    assert!(matches!(config.embedding, Embedding::Static));
    assert_eq!(config.fallback, Fallback::Extractive);
}

#[test]
fn every_default_names_its_variable() {
    let table: Table = DEFAULTS.parse().expect("TOML");
    for key in table.keys() {
        let line = DEFAULTS
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")))
            .expect("a line of its own");
        let comment = line.rsplit('#').next().expect("a comment");
        assert!(comment.contains(&variable_of(key)), "{line}");
    }
}

#[test]
fn variables_win_over_the_file_and_flags_over_variables() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("okra.toml");
    std::fs::write(
        &file,
        "workers = 5\nlisten = \"127.0.0.1:1\"\nmax_upload_mb = 7\n",
    )
    .expect("written");
    let flags = Flags {
        file: Some(file),
        listen: Some("127.0.0.1:3".to_owned()),
        data_dir: None,
    };
    let variable = |name: &str| match name {
        "OKRA_LISTEN" => Some("127.0.0.1:2".to_owned()),
        "OKRA_WORKERS" => Some("6".to_owned()),
        "OKRA_FETCH_ALLOW" => Some("wiki.intranet, 10.0.0.0/8".to_owned()),
        _ => None,
    };
    let config = Config::load(&flags, variable).expect("valid");
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.workers, 6);
    assert_eq!(config.max_upload_bytes, 7 * 1024 * 1024);
    assert_eq!(config.fetch_allow, ["wiki.intranet", "10.0.0.0/8"]);
}

#[test]
fn a_wrong_value_is_named_with_its_variable() {
    let check = |name: &str, value: &str, expected: &str| {
        let error = load(&[(name, value)]).expect_err("a wrong value");
        let text = format!("{error:#}");
        assert!(text.contains(name) && text.contains(expected), "{text}");
    };
    check("OKRA_LISTEN", "8080", "address and a port");
    check("OKRA_WORKERS", "many", "whole number");
    check("OKRA_WORKERS", "0", "at least 1");
    check("OKRA_EXTRACT_MEMORY_MB", "1", "at least 256");
    check("OKRA_LLM_FALLBACK", "guess", "extractive or error");
    check("OPENAI_BASE_URL", "localhost:11434", "http or https");
    check("OKRA_EMBEDDER", "magic", "static, transformer or openai");
    check("HF_ENDPOINT", "hub", "not a URL");
    check("OKRA_BOOTSTRAP_API_KEY", "abc", "48 hexadecimal");
    check("OKRA_LOG_FORMAT", "xml", "text or json");
    check("OKRA_FOLDER_ALLOW", "/srv/docs,docs", "whole paths");
    check("OKRA_FOLDER_ALLOW", "/srv/../etc", "whole paths");
    check("OKRA_TOOL_COMMANDS", "/usr/bin/crm-mcp", "table of TOML");
}

#[test]
fn commands_are_a_table_in_the_file_and_one_line_in_the_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let load = |file: &str, variable: Option<&str>| {
        let path = folder.path().join("okra.toml");
        std::fs::write(&path, file).expect("written");
        let flags = Flags {
            file: Some(path),
            ..Flags::default()
        };
        Config::load(&flags, |name| {
            let variable = variable.filter(|_| name == "OKRA_TOOL_COMMANDS");
            variable.map(str::to_owned)
        })
    };
    let runs = |config: Config| -> Vec<(String, Vec<String>)> {
        let shown = format!("{config:?}");
        assert!(!shown.contains("hidden-1234"), "{shown}");
        let commands = config.tool_commands.into_iter();
        commands.map(|(name, line)| (name, line.run)).collect()
    };
    let file =
        "[tool_commands.crm]\nrun = [\"/bin/crm\", \"-r\"]\nenv = { TOKEN = \"hidden-1234\" }\n";
    let of_file = runs(load(file, None).expect("valid"));
    let run = vec!["/bin/crm".to_owned(), "-r".to_owned()];
    assert_eq!(of_file, [("crm".to_owned(), run)]);
    let line = "{ notes = { run = [\"/bin/notes\"], env = { TOKEN = \"hidden-1234\" } } }";
    let of_variable = runs(load(file, Some(line)).expect("valid"));
    assert_eq!(
        of_variable,
        [("notes".to_owned(), vec!["/bin/notes".to_owned()])]
    );
    for wrong in [
        "{ crm = { run = [\"/bin/crm\"], environment = { TOKEN = \"hidden-1234\" } } }",
        "{ crm = { env = { TOKEN = \"hidden-1234\" } } }",
        "{ crm = { env = { TOKEN = \"hidden-1234\" ",
    ] {
        let error = format!("{:#}", load("", Some(wrong)).expect_err(wrong));
        assert!(!error.contains("hidden-1234"), "{error}");
    }
}

#[test]
fn a_provider_needs_a_key_or_an_address() {
    let names = |variables: &[(&str, &str)]| -> Vec<(String, String)> {
        let config = load(variables).expect("valid");
        let shown = format!("{config:?}");
        assert!(!shown.contains("sk-1"), "{shown}");
        let providers = config.providers.into_iter();
        providers
            .map(|it| (it.name, it.endpoint.base_url))
            .collect()
    };
    let pair = |name: &str, url: &str| (name.to_owned(), url.to_owned());
    assert_eq!(
        names(&[("OPENAI_API_KEY", "sk-1")]),
        [pair("openai", OPENAI_URL)]
    );
    let own = "http://127.0.0.1:11434/v1";
    let found = names(&[("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1/")]);
    assert_eq!(found, [pair("127.0.0.1", own)]);
    let all = names(&[
        ("GEMINI_API_KEY", "sk-1"),
        ("ANTHROPIC_API_KEY", "sk-1"),
        ("OLLAMA_BASE_URL", own),
        ("AZURE_OPENAI_ENDPOINT", "https://kim.openai.azure.com"),
        ("OPENAI_API_KEY", "sk-1"),
    ]);
    let all: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(all, ["openai", "azure", "ollama", "anthropic", "gemini"]);
    let refused = |variables: &[(&str, &str)], word: &str| {
        let error = format!("{:#}", load(variables).expect_err("refused"));
        assert!(error.contains(word), "{error}");
    };
    refused(&[("AZURE_OPENAI_API_KEY", "sk-1")], "AZURE_OPENAI_ENDPOINT");
    let twice = [
        ("OPENAI_BASE_URL", "http://ollama:11434/v1"),
        ("OLLAMA_BASE_URL", own),
    ];
    refused(&twice, "named ollama");
}
