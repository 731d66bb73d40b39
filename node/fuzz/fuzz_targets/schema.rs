//! Feeds `targets::schema` with what the fuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| confman_fuzz::targets::schema(bytes));
