"""A network applied to images of any size, and the pictures of its predictions."""
