// gatehousectl: the operator's command, one verb per file.
