//! The binary `okra`.

/// A turn allocates some thousand times, on several threads; the system's allocator took a sixth of
/// its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    okra_server::cli::main()
}
