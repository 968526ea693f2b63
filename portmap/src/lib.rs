//! Portmapper and rpcbind (RFC 1833) as a daemon, a library and a tool.
