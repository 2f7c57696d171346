"""The whole networks of Table 2 that are not a backbone with a head: each file builds one of them."""
