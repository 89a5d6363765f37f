"""Built on the core and never imported by it: environments made of arrays, training on one device, several processes."""
