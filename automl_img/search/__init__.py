"""The search: what may be tried, in which order, under which budget, and what is known of it."""
