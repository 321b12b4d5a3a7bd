"""Image files, label maps, videos, and pictures of them."""
