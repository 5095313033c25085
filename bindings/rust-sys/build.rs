// SPDX-License-Identifier: MIT
//! Finds the library: a build folder of its source tree (LIBVU_BUILD), its sources in this package
//! (feature `vendored`), or what pkg-config knows.
use std::{env, path::Path, process::Command};

#[cfg(feature = "vendored")]
#[path = "vendored.rs"]
mod vendored;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBVU_BUILD");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    if env::var_os("DOCS_RS").is_some() {
        return; // documentation is made without linking
    }
    match env::var("LIBVU_BUILD") {
        Ok(build) => use_build(Path::new(&build)),
        #[cfg(feature = "vendored")]
        Err(_) => vendored::compile(),
        #[cfg(not(feature = "vendored"))]
        Err(_) => use_pkg_config(),
    }
}

fn use_build(build: &Path) {
    let lib = build.join("lib");
    if !build.is_absolute() || !lib.join("libvu.so").exists() {
        fail(&format!(
            "LIBVU_BUILD={}: no absolute path of a build folder with lib/libvu.so",
            build.display()
        ));
    }
    println!("cargo:rustc-link-search=native={}", lib.display());
    println!("cargo:rustc-link-lib=dylib=vu");
    println!("cargo:build={}", build.display());
    println!("cargo:rpath={}", lib.display());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}

#[cfg_attr(feature = "vendored", allow(dead_code))]
fn use_pkg_config() {
    let tool = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let done = Command::new(&tool).args(["--libs", "libvu >= 0.1.0"]).output();
    let flags = match done {
        Ok(done) if done.status.success() => String::from_utf8_lossy(&done.stdout).into_owned(),
        Ok(done) => fail(&format!("{tool}: {}", String::from_utf8_lossy(&done.stderr).trim())),
        Err(error) => fail(&format!("{tool}: {error}")),
    };
    println!("cargo:rustc-link-lib=dylib=vu");
    for flag in flags.split_whitespace() {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={folder}");
        }
    }
}

fn fail(why: &str) -> ! {
    eprintln!("libvu-sys: libvu was not found: {why}");
    eprintln!(
        "Install it, so that pkg-config knows libvu; or set LIBVU_BUILD to a build folder of its source tree; \
         or take the feature `vendored`, which compiles it (a C compiler is all that it needs)."
    );
    std::process::exit(1)
}
