/**
 * Sockets, WebSocket and message hubs for Deno, Bun and Node, in the shape of Go's `net`.
 *
 * Everything except `./protocol`, the WebSocket protocol without I/O, which is an entry point of its own.
 *
 * @module
 */

export * from "./entries/net.ts";
export * from "./entries/framing.ts";
export * from "./entries/websocket.ts";
export * from "./entries/hub.ts";
