//! ONC RPC (RFC 5531) clients and servers.
