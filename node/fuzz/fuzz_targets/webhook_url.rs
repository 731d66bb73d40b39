//! Feeds `targets::webhook_url` with what the fuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| confman_fuzz::targets::webhook_url(bytes));
