"""Physics of the optical link, networks, and the bit-true integer model of every gateware block."""
