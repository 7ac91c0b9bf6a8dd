//! Has the server compiled anew when the web parts were built anew: they are part of the binary.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
}
