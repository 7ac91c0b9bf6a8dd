//! The binary `okra`.

fn main() -> std::process::ExitCode {
    okra_server::cli::main()
}
