//! The server from outside: a real engine on the log in memory, requests through the whole router, files in real
//! directories.

mod openapi;
