// SPDX-License-Identifier: MIT
//! The test peer is a shared library in libvu's build folder.
fn main() {
    println!("cargo:rerun-if-env-changed=LIBVU_BUILD");
    if let Ok(build) = std::env::var("LIBVU_BUILD") {
        println!("cargo:rustc-link-search=native={build}/tests/rust");
        println!("cargo:rustc-link-search=native={build}/lib");
    }
    println!("cargo:rustc-link-lib=dylib=rustpeer");
}
