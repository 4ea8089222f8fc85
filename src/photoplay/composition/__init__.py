"""Two people from two photos in one scene."""
