//! Tells the compiler what kind of Python this is built for (`Py_GIL_DISABLED` and the like), and the linker
//! how to lay it out.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // Code on pages of the file that hold nothing else. Rust's own linker shares them to save a page, and
    // profilers that unwind native frames (py-spy) then find the addresses of such pages in two places.
    // Zig's, by which wheels are linked (tools/wheels.py), knows no such option, and shares them too.
    println!("cargo:rerun-if-env-changed=CARGO_ZIGBUILD_TARGET");
    let by_zig = std::env::var_os("CARGO_ZIGBUILD_TARGET").is_some();
    if !by_zig && std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,separate-code");
    }
}
