// SPDX-License-Identifier: MIT
//! The feature `vendored`: the C library is compiled from the sources in `vendor`, and linked
//! statically.
//!
//! In a clone `vendor` has links to the tree's own folders; in a package it has their files.
//! Where meson makes a file, `version.h`, it is made here.  Probes for tracers are left out.
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

pub fn compile() {
    let top = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("vendor");
    let out = PathBuf::from(variable("OUT_DIR"));
    println!("cargo:rerun-if-changed=vendored.rs");
    println!("cargo:rerun-if-changed=vendor/lib");
    println!("cargo:rerun-if-changed=vendor/include");
    let mut sources = Vec::new();
    find_sources(&top.join("lib"), &mut sources)
        .unwrap_or_else(|error| fail(&format!("{}: {error}", top.display())));
    sources.sort();
    let made = out.join("include");
    make_version(&top, &made)
        .unwrap_or_else(|error| fail(&format!("{}: version.h: {error}", made.display())));
    cc::Build::new()
        .files(&sources)
        .include(top.join("include"))
        .include(top.join("lib"))
        .include(&made)
        .define("_GNU_SOURCE", None)
        .flag("-std=gnu11")
        .flag("-fvisibility=hidden")
        .flag("-fno-strict-aliasing") // guest memory has no types; the tree builds so, too
        .warnings(false)
        .compile("vu");
    println!("cargo:include={}", top.join("include").display());
}

fn find_sources(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_sources(&path, found)?;
        } else if path.extension().map_or(false, |ending| ending == "c") {
            found.push(path);
        }
    }
    Ok(())
}

/// This crate's version is the library's: `src/c/version.rs` has what the headers said, and
/// tests/symbols.rs compares it with what is linked.
fn make_version(top: &Path, made: &Path) -> io::Result<()> {
    let mut text = fs::read_to_string(top.join("include/libvu/version.h.in"))?;
    for (mark, name) in [
        ("@MAJOR@", "CARGO_PKG_VERSION_MAJOR"),
        ("@MINOR@", "CARGO_PKG_VERSION_MINOR"),
        ("@PATCH@", "CARGO_PKG_VERSION_PATCH"),
        ("@VERSION@", "CARGO_PKG_VERSION"),
    ] {
        text = text.replace(mark, &variable(name));
    }
    let folder = made.join("libvu");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("version.h"), text)
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")))
}

fn fail(why: &str) -> ! {
    eprintln!("libvu-sys: libvu cannot be built from its sources: {why}");
    std::process::exit(1)
}
